package longhaul.sdk;

/** Where a job is in its life. */
public enum LongJobState {
    /** It has not started: it waits for its turn. */
    Waiting,
    /** It was interrupted, and goes on when it is resumed. */
    Suspended,
    /** It runs. */
    Running,
    /** It did what it should. */
    Succeeded,
    /** It was asked to stop and undoes its work. */
    Canceling,
    /** It was stopped. */
    Canceled,
    /** It could not do what it should; the job's result says why. */
    Failed;

    /**
     * Whether only a rerun leads out of this state.
     *
     * @return true for Succeeded, Canceled and Failed
     */
    public boolean isFinal() {
        return this == Succeeded || this == Canceled || this == Failed;
    }
}
