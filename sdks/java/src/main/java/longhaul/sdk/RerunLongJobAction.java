package longhaul.sdk;

/**
 * Runs a final job again, under the same uuid and with a new {@code apiId}.
 */
public final class RerunLongJobAction extends Action<LongJobReply, RerunLongJobAction.Result> {
    /** The job; required. */
    public String uuid;

    /** Makes one without parameters. */
    public RerunLongJobAction() {
        super(LongJobReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/longjobs/{uuid}/actions", "rerunLongJob").at("uuid", uuid);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<LongJobReply> {
        private Result() {
        }
    }
}
