package longhaul.sdk;

/**
 * Finds jobs.
 */
public final class QueryLongJobAction extends QueryAction<QueryLongJobReply, QueryLongJobAction.Result> {
    /** Makes one without parameters. */
    public QueryLongJobAction() {
        super(QueryLongJobReply.class, Result::new);
    }

    @Override
    protected ApiRequest request() {
        return query("/longjobs");
    }

    /** How the call ended. */
    public static final class Result extends ActionResult<QueryLongJobReply> {
        private Result() {
        }
    }
}
