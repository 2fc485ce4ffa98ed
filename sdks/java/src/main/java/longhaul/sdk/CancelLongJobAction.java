package longhaul.sdk;

/**
 * Asks a job to stop. Success means that the wish is taken; the job is {@code Canceling} until it has undone its work.
 */
public final class CancelLongJobAction extends Action<EmptyReply, CancelLongJobAction.Result> {
    /** The job; required. */
    public String uuid;

    /** Makes one without parameters. */
    public CancelLongJobAction() {
        super(EmptyReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/longjobs/{uuid}/actions", "cancelLongJob").at("uuid", uuid);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<EmptyReply> {
        private Result() {
        }
    }
}
