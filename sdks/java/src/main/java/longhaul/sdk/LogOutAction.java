package longhaul.sdk;

import java.util.Map;

/**
 * Ends a session. One that does not exist counts as ended.
 */
public final class LogOutAction extends Action<EmptyReply, LogOutAction.Result> {
    /** The session to end; required. */
    public String sessionUuid;
    /** Who logs out: {@code clientIp}, {@code clientBrowser}. */
    public Map<String, String> clientInfo;

    /** Makes one without parameters. */
    public LogOutAction() {
        super(EmptyReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.delete("/accounts/sessions/{sessionUuid}")
            .at("sessionUuid", sessionUuid)
            .with("clientInfo", clientInfo);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<EmptyReply> {
        private Result() {
        }
    }
}
