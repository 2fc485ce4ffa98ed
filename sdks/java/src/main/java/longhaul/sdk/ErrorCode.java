package longhaul.sdk;

import java.util.List;
import java.util.Map;

/** Why an operation failed: the server says so, or, with a code that begins with {@code sdk.}, this client does. */
public final class ErrorCode {
    /** No usable answer came: the server cannot be reached, or what answered is not this API. */
    public static final String HTTP_ERROR = "sdk.1000";
    /** A limit of time passed; the details name it. The operation may go on at the server. */
    public static final String TIMEOUT = "sdk.1001";
    /** The call could not be made or was given up here: a field is missing, or the waiting thread was interrupted. */
    public static final String CLIENT_ERROR = "sdk.1002";

    /** How many causes {@link #rootCause()} follows at most. */
    static final int CAUSES_MAX = 64;

    /** The kind of failure, such as {@code SYS.1007}; what programs branch on. */
    public String code;
    /** What the code means, in one sentence. */
    public String description;
    /** What happened this time, and what can be done about it; at most 4096 characters from a server. */
    public String details;
    /** Reserved; null by default. */
    public String elaboration;
    /** Reserved; null by default. */
    public Map<String, Object> opaque;
    /** The failure behind this one, or null. */
    public ErrorCode cause;
    /** The failures behind this one where a server names several, or null. */
    public List<ErrorCode> causes;

    /** Makes one without content. */
    public ErrorCode() {
    }

    static ErrorCode of(String code, String description, String details) {
        ErrorCode error = new ErrorCode();
        error.code = code;
        error.description = description;
        error.details = details;
        return error;
    }

    static ErrorCode http(String details) {
        return of(HTTP_ERROR, "No usable answer came from the server", details);
    }

    static ErrorCode timeout(String details) {
        return of(TIMEOUT, "A limit of time passed", details);
    }

    static ErrorCode client(String details) {
        return of(CLIENT_ERROR, "The call could not be made, or was given up here", details);
    }

    /**
     * The failure at the end of the chain of causes; this one, if nothing else caused it.
     *
     * @return never null
     */
    public ErrorCode rootCause() {
        ErrorCode root = this;
        for (int depth = 0; root.cause != null && depth < CAUSES_MAX; depth++) {
            root = root.cause;
        }
        return root;
    }

    /** The code with its details, and the same of the cause, for logs and people. */
    @Override
    public String toString() {
        String text = code + ": " + (details == null || details.isEmpty() ? description : details);
        ErrorCode root = rootCause();
        return root == this ? text : text + " (caused by " + root.code + ": " + root.details + ")";
    }
}
