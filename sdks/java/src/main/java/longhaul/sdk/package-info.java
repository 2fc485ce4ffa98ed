/**
 * Calls of the LongJob REST API, for Longhaul and for every server that speaks ZStack's.
 *
 * <p>An operation is a class named as it is there: {@link longhaul.sdk.SubmitLongJobAction} and its siblings. Set its
 * fields, then {@link longhaul.sdk.Action#call() call()} waits for the result, or
 * {@link longhaul.sdk.Action#call(longhaul.sdk.Completion) call(completion)} hands it over later. What went wrong is
 * in {@link longhaul.sdk.ActionResult#error}; a call throws nothing and ends within its limit.
 *
 * <p>Where the server is, and every limit, is said by {@link longhaul.sdk.ClientConfig}; the one that
 * {@link longhaul.sdk.LonghaulClient#configure} was given serves all actions of the program, and a
 * {@link longhaul.sdk.LonghaulClient} of one's own serves the actions that are given to it.
 *
 * <p>Needs a JDK of 17 or newer and Gson, nothing else. HTTP only; TLS ends at a proxy before the server.
 */
package longhaul.sdk;
