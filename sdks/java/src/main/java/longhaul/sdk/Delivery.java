package longhaul.sdk;

/** The way by which a result came. */
public enum Delivery {
    /** With the answer to the request itself. */
    IMMEDIATE,
    /** With a poll of the address that the server had named. */
    POLL,
    /** With the server's call to the {@linkplain ClientConfig.Builder#webHook web hook}. */
    WEB_HOOK,
    /** It was made here: no answer came that could be used. The error's code begins with {@code sdk.}. */
    LOCAL
}
