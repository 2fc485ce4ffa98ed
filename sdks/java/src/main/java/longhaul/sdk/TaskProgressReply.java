package longhaul.sdk;

import java.util.ArrayList;
import java.util.List;

/** Reports of progress. */
public final class TaskProgressReply {
    /** The newest report, below those it is a part of; or all of them. Empty if there are none. */
    public List<TaskProgressInventory> inventories = new ArrayList<>();

    /** Makes one without content. */
    public TaskProgressReply() {
    }
}
