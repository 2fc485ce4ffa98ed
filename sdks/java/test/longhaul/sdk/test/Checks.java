package longhaul.sdk.test;

import java.util.Objects;
import java.util.regex.Pattern;

/** Runs tests one after the other, each named as the sentence it proves, and counts them. Knows nothing of the SDK. */
final class Checks {
    /** What a test does; whatever it throws fails it. */
    interface Body {
        void run() throws Throwable;
    }

    private int passed;
    private int failed;

    void test(String sentence, Body body) {
        long begin = System.nanoTime();
        try {
            body.run();
            passed++;
            System.out.printf("ok      %s (%d ms)%n", sentence, (System.nanoTime() - begin) / 1_000_000);
        } catch (Throwable wrong) {
            failed++;
            System.out.println("FAILED  " + sentence);
            wrong.printStackTrace(System.out);
        }
    }

    /** A remark that is no verdict. */
    void note(String text) {
        System.out.println("note    " + text);
    }

    /** Prints the closing line; answers whether everything passed. */
    boolean close() {
        System.out.printf("%d passed, %d failed%n", passed, failed);
        return failed == 0 && passed > 0;
    }

    static void equal(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("expected " + expected + ", not " + actual);
        }
    }

    static void that(boolean true_, Object otherwise) {
        if (!true_) {
            throw new AssertionError(String.valueOf(otherwise));
        }
    }

    static void contains(String part, String text) {
        that(text != null && text.contains(part), "'" + part + "' is not in: " + text);
    }

    static void matches(String pattern, String text) {
        that(text != null && Pattern.matches(pattern, text), "'" + text + "' does not match " + pattern);
    }

    static <T extends Throwable> T thrown(Class<T> type, Body body) {
        try {
            body.run();
        } catch (Throwable caught) {
            if (type.isInstance(caught)) {
                return type.cast(caught);
            }
            throw new AssertionError("expected " + type.getName(), caught);
        }
        throw new AssertionError("nothing was thrown, expected " + type.getName());
    }
}
