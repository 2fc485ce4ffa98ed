package longhaul.sdk;

import java.util.List;

/**
 * Submits a job: the server answers as soon as it has it, not when it is done. The answer's job is what to query; its
 * {@code apiId} is what its progress is asked for by.
 */
public final class SubmitLongJobAction extends Action<LongJobReply, SubmitLongJobAction.Result> {
    /** The job's name, at most 255 characters; without it, the job type's. */
    public String name;
    /** Its description, at most 2048 characters. */
    public String description;
    /** The job type, such as {@code APIPrimaryStorageMigrateVolumeMsg}; required by the server. */
    public String jobName;
    /** The job type's parameters, as the text of a JSON object; required by the server. */
    public String jobData;
    /** The uuid that the job is to have, 32 hex digits; without it, the server chooses. */
    public String resourceUuid;
    /** What the job works on. */
    public String targetResourceUuid;
    /** Tags to attach, by their uuids. */
    public List<String> tagUuids;

    /** Makes one without parameters. */
    public SubmitLongJobAction() {
        super(LongJobReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return ApiRequest.post("/longjobs")
            .with("name", name)
            .with("description", description)
            .with("jobName", jobName)
            .with("jobData", jobData)
            .with("resourceUuid", resourceUuid)
            .with("targetResourceUuid", targetResourceUuid)
            .with("tagUuids", tagUuids);
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<LongJobReply> {
        private Result() {
        }
    }
}
