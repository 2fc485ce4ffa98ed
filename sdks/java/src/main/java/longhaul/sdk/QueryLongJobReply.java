package longhaul.sdk;

import java.util.ArrayList;
import java.util.List;

/** The jobs that a query found. */
public final class QueryLongJobReply {
    /** The jobs in the asked order; empty if none matched, or if they were only counted. */
    public List<LongJobInventory> inventories = new ArrayList<>();
    /** How many match in all, whatever the limit; null unless it was asked for. */
    public Long total;

    /** Makes one without content. */
    public QueryLongJobReply() {
    }
}
