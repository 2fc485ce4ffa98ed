package longhaul.sdk;

/**
 * Cleans up after a job that is {@code Canceling} and does not come to an end.
 */
public final class CleanLongJobAction extends Action<EmptyReply, CleanLongJobAction.Result> {
    /** The job; required. */
    public String uuid;

    /** Makes one without parameters. */
    public CleanLongJobAction() {
        super(EmptyReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/longjobs/{uuid}/actions", "cleanLongJob").at("uuid", uuid);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<EmptyReply> {
        private Result() {
        }
    }
}
