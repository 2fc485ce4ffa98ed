package longhaul.sdk;

/**
 * Deletes a job that is final. One that does not exist counts as deleted.
 */
public final class DeleteLongJobAction extends Action<EmptyReply, DeleteLongJobAction.Result> {
    /** The job; required. */
    public String uuid;

    /** Makes one without parameters. */
    public DeleteLongJobAction() {
        super(EmptyReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.delete("/longjobs/{uuid}").at("uuid", uuid);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<EmptyReply> {
        private Result() {
        }
    }
}
