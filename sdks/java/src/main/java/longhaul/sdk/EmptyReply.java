package longhaul.sdk;

/** The answer of an operation that has nothing to tell but that it succeeded. */
public final class EmptyReply {
    /** Makes one without content. */
    public EmptyReply() {
    }
}
