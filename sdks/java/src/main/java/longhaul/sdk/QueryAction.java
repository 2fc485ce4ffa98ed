package longhaul.sdk;

import java.util.List;
import java.util.function.Supplier;

/**
 * A query: which resources, in which order, how many.
 *
 * @param <V> what the query answers
 * @param <R> the result: that, or an error
 */
public abstract class QueryAction<V, R extends ActionResult<V>> extends Action<V, R> {
    /**
     * What must be true of a resource, all of it: {@code state=Running}, {@code name!=x}, {@code executeTime>=60},
     * {@code state?=Running,Waiting} (one of these), {@code name~=%disk%} (a pattern), {@code jobResult is null}. No
     * spaces around operators. Null or empty for all resources.
     */
    public List<String> conditions;
    /** At most so many; the server's default is 1000. */
    public Integer limit;
    /** Leaves so many of the first out. */
    public Integer start;
    /** True to count only: {@code total} without resources. */
    public Boolean count;
    /** True for {@code total} beside the resources. */
    public Boolean replyWithCount;
    /** The field to sort by; without it, the order is the server's. */
    public String sortBy;
    /** {@code asc} or {@code desc}, together with {@link #sortBy}; null is {@code asc}. */
    public String sortDirection;
    /** The fields that are wanted, the others stay null; null or empty for all. */
    public List<String> fields;
    /** A filter of the server's, as {@code type:condition}. */
    public String filterName;

    /**
     * For subclasses.
     *
     * @param valueType what a successful answer is read as, by Gson
     * @param newResult makes an empty result
     */
    protected QueryAction(Class<V> valueType, Supplier<R> newResult) {
        super(valueType, newResult);
    }

    /**
     * The request of the query's fields.
     *
     * @param path of the resources, after {@code /v1}
     * @return the request
     * @throws IllegalArgumentException if the direction is none, or has no field to sort by
     */
    protected final ApiRequest query(String path) {
        return ApiRequest.get(path)
            .with("q", conditions)
            .with("limit", limit)
            .with("start", start)
            .with("count", count)
            .with("replyWithCount", replyWithCount)
            .with("sort", sort())
            .with("fields", fields == null || fields.isEmpty() ? null : String.join(",", fields))
            .with("filterName", filterName);
    }

    private String sort() {
        if (sortDirection != null && !sortDirection.equals("asc") && !sortDirection.equals("desc")) {
            throw new IllegalArgumentException("sortDirection is " + sortDirection + ": set asc or desc");
        }
        if (sortBy == null) {
            if (sortDirection != null) {
                throw new IllegalArgumentException("sortDirection is set without sortBy: set the field to sort by");
            }
            return null;
        }
        return ("desc".equals(sortDirection) ? "-" : "+") + sortBy;
    }
}
