import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

/** Runs a document's Java block, of which Snippets made the class that is named. */
final class Run {
    private Run() {
    }

    /** Argument: the name of the class. */
    public static void main(String[] arguments) throws Throwable {
        Method run = Class.forName(arguments[0]).getDeclaredMethod("run");
        run.setAccessible(true);
        try {
            run.invoke(null);
        } catch (InvocationTargetException wrapped) {
            throw wrapped.getCause();
        }
    }
}
