package longhaul.sdk.test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes classes of the documents' snippets, so that what is compiled and run is what readers see: the three of the
 * public reference, of which only the quotes inside of texts are escaped, and the fenced blocks of the README. Runs
 * before the tests are compiled; {@link SnippetTests} runs what it made.
 */
final class Snippets {
    /** A text of a snippet: it ends with a quote before a semicolon, whatever quotes are in it. */
    private static final Pattern TEXT = Pattern.compile("= \"(.*?)\";(?= |$)");
    private static final Pattern FENCE = Pattern.compile("(?ms)^```(\\w*)\n(.*?)^```$");

    /**
     * A class of a snippet, from edge to edge. It must not become one of a method, which Gson does not read. Of a whole
     * program the main method is called.
     */
    private static final Pattern TYPE = Pattern.compile("(?ms)^(?:public )?(?:final )?class (\\w+).*?^}\n");
    private static final String MAIN = "public static void main(String[] arguments)";

    private Snippets() {
    }

    /** A block of the README and what it is to print; null if nothing follows it. */
    record Block(String code, String prints) {
    }

    /** Arguments: the directory of the reference's snippets, the README, the directory for what is made. */
    public static void main(String[] arguments) throws IOException {
        Path made = Path.of(arguments[2]).resolve("longhaul/sdk/test/made");
        Files.createDirectories(made);
        for (Map.Entry<String, String> snippet : reference(Path.of(arguments[0])).entrySet()) {
            write(made, snippet.getKey(), "import longhaul.sdk.*;\n",
                "public static " + snippet.getKey() + "Action.Result run()",
                escaped(snippet.getValue()) + "\nreturn res;");
        }
        int number = 0;
        for (Block block : blocks(Path.of(arguments[1]))) {
            StringBuilder imports = new StringBuilder();
            StringBuilder body = new StringBuilder();
            block.code().lines().forEach(line ->
                (line.startsWith("import ") ? imports : body).append(line).append('\n'));
            StringBuilder types = new StringBuilder();
            String statements = TYPE.matcher(body).replaceAll(found -> {
                types.append("static ").append(found.group());
                return found.group().contains(MAIN) ? found.group(1) + ".main(new String[0]);\n" : "";
            });
            number++;
            write(made, "Readme" + number, imports.toString(), types + "public static void run() throws Exception",
                statements);
        }
    }

    /** The reference's snippets by the name of their operation, as they stand there. */
    static Map<String, String> reference(Path directory) throws IOException {
        Map<String, String> snippets = new TreeMap<>();
        try (var files = Files.newDirectoryStream(directory, "*.txt")) {
            for (Path file : files) {
                snippets.put(file.getFileName().toString().replace(".txt", ""), Files.readString(file).strip());
            }
        }
        return snippets;
    }

    /** The snippet with a backslash before each quote that is inside of a text, and no other change. */
    static String escaped(String snippet) {
        return TEXT.matcher(snippet).replaceAll(found ->
            Matcher.quoteReplacement("= \"" + found.group(1).replace("\"", "\\\"") + "\";"));
    }

    static List<Block> blocks(Path document) throws IOException {
        List<Block> blocks = new ArrayList<>();
        String code = null;
        for (Matcher fence = FENCE.matcher(Files.readString(document)); fence.find();) {
            String language = fence.group(1);
            if (language.equals("text") && code != null) {
                blocks.add(new Block(code, fence.group(2)));
                code = null;
            } else {
                if (code != null) {
                    blocks.add(new Block(code, null));
                }
                code = language.equals("java") ? fence.group(2) : null;
            }
        }
        if (code != null) {
            blocks.add(new Block(code, null));
        }
        return blocks;
    }

    private static void write(Path directory, String name, String imports, String method, String body)
            throws IOException {
        Files.writeString(directory.resolve(name + ".java"), """
            package longhaul.sdk.test.made;
            %s
            public final class %s {
            private %s() { }
            %s {
            %s
            }
            }
            """.formatted(imports, name, name, method, body));
    }
}
