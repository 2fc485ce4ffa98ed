package longhaul.sdk;

/** A failed call as an exception; made by {@link ActionResult#orThrow()} only. */
public final class ActionException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient ErrorCode error;

    ActionException(ErrorCode error) {
        super(error.toString());
        this.error = error;
    }

    /**
     * Why the call failed.
     *
     * @return never null, unless this exception was serialized meanwhile; its message then still tells
     */
    public ErrorCode error() {
        return error;
    }
}
