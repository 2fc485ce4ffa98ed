package longhaul.sdk;

/**
 * Lets a suspended job go on from its checkpoint.
 */
public final class ResumeLongJobAction extends Action<LongJobReply, ResumeLongJobAction.Result> {
    /** The job; required. */
    public String uuid;

    /** Makes one without parameters. */
    public ResumeLongJobAction() {
        super(LongJobReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/longjobs/{uuid}/actions", "resumeLongJob").at("uuid", uuid);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<LongJobReply> {
        private Result() {
        }
    }
}
