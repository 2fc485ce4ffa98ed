package longhaul.sdk;

/**
 * How a call ended: with {@link #value} or with {@link #error}, never with both or neither. Each action has its own
 * subclass, named {@code Result} inside of it.
 *
 * @param <V> what the operation answers
 */
public abstract class ActionResult<V> {
    /** What the operation answered; null if it failed. */
    public V value;
    /** Why the operation failed; null if it did not. */
    public ErrorCode error;
    /** The way by which the result came; for logs and diagnosis. */
    public Delivery delivery;
    /**
     * The id that the call was sent with, 32 hex digits; null if nothing was sent. For an operation that starts a job
     * it is the job's {@code apiId}, by which its progress is asked for.
     */
    public String apiId;

    /** Makes one without content. */
    protected ActionResult() {
    }

    /**
     * The value of a call that must have succeeded.
     *
     * @return the value, never null
     * @throws ActionException if the call failed; it holds {@link #error}
     */
    public V orThrow() {
        if (error != null) {
            throw new ActionException(error);
        }
        return value;
    }
}
