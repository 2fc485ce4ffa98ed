package longhaul.sdk;

/**
 * Gives a job another name or description. What is null stays as it is.
 */
public final class UpdateLongJobAction extends Action<LongJobReply, UpdateLongJobAction.Result> {
    /** The job; required. */
    public String uuid;
    /** The new name, at most 255 characters. */
    public String name;
    /** The new description, at most 2048 characters. */
    public String description;

    /** Makes one without parameters. */
    public UpdateLongJobAction() {
        super(LongJobReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.put("/longjobs/{uuid}/actions", "updateLongJob")
            .at("uuid", uuid)
            .with("name", name)
            .with("description", description);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<LongJobReply> {
        private Result() {
        }
    }
}
