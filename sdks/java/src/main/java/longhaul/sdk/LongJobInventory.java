package longhaul.sdk;

import java.time.Instant;

/** A job as the server shows it. What the server leaves out is null. */
public final class LongJobInventory {
    /** The job's uuid, 32 hex digits. */
    public String uuid;
    /** Its name. */
    public String name;
    /** Its description. */
    public String description;
    /** The id of the call that started it last; its progress is asked for by it. */
    public String apiId;
    /** The job type, such as {@code APIPrimaryStorageMigrateVolumeMsg}. */
    public String jobName;
    /** The job type's parameters, as JSON text. */
    public String jobData;
    /** What came out of it, mostly JSON text. */
    public String jobResult;
    /** Where it is in its life; null too if the server names a state that this release does not know. */
    public LongJobState state;
    /** What it works on. */
    public String targetResourceUuid;
    /** The management node that has it. */
    public String managementNodeUuid;
    /** When it was submitted, or rerun last. */
    public Instant createDate;
    /** When it changed last. */
    public Instant lastOpDate;
    /** How long it ran, seconds; only once it is final. */
    public Long executeTime;

    /** Makes one without content. */
    public LongJobInventory() {
    }

    /** Name, uuid and state. */
    @Override
    public String toString() {
        return name + " (" + uuid + "): " + state;
    }
}
