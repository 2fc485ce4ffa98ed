package longhaul.sdk;

/** One session. */
public final class SessionReply {
    /** The session that was made. */
    public SessionInventory inventory;

    /** Makes one without content. */
    public SessionReply() {
    }
}
