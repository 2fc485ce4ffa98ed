package longhaul.sdk;

/**
 * What is to happen with the result of a call that nobody waits for.
 *
 * @param <R> the action's result
 */
@FunctionalInterface
public interface Completion<R> {
    /**
     * Takes the result. It is called exactly once for each call, also for a failure and for a limit that passed, on a
     * daemon thread of the SDK; it may block and may make calls of its own. What it throws goes to the thread's
     * handler of uncaught exceptions.
     *
     * @param result value or error, never null
     */
    void complete(R result);
}
