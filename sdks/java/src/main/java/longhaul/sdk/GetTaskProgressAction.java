package longhaul.sdk;

/**
 * Asks how far a job is. Reports are kept by the id of the call that started the job.
 */
public final class GetTaskProgressAction extends Action<TaskProgressReply, GetTaskProgressAction.Result> {
    /** The job's {@code apiId}, not its uuid; required. */
    public String apiId;
    /** True for all reports instead of the newest. */
    public Boolean all;

    /** Makes one without parameters. */
    public GetTaskProgressAction() {
        super(TaskProgressReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.get("/task-progresses/{apiId}").at("apiId", apiId).with("all", all);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<TaskProgressReply> {
        private Result() {
        }
    }
}
