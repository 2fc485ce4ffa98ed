package longhaul.sdk;

/** One job. */
public final class LongJobReply {
    /** The job after the operation. */
    public LongJobInventory inventory;

    /** Makes one without content. */
    public LongJobReply() {
    }
}
