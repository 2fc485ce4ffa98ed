package longhaul.sdk;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** One report of how far a task is. What the server leaves out is null. */
public final class TaskProgressInventory {
    /** The report's or task's uuid. */
    public String taskUuid;
    /** What is being done. */
    public String taskName;
    /** The task that this one is a part of. */
    public String parentUuid;
    /** {@code Progress} for a percentage, {@code Task} for a message. */
    public String type;
    /** The percentage as text, or the message. */
    public String content;
    /** Arguments of the message, as the text of a JSON array. */
    public String arguments;
    /** Details of the task. */
    public Map<String, Object> opaque;
    /** When it was reported, milliseconds since 1970. */
    public Long time;
    /** The parts of this task; empty unless all reports were asked for. */
    public List<TaskProgressInventory> subTasks = new ArrayList<>();

    /** Makes one without content. */
    public TaskProgressInventory() {
    }

    /**
     * The percentage, if this is one.
     *
     * @return 0 to 100; empty for a message
     */
    public OptionalInt percent() {
        if (content == null || !content.matches("[0-9]{1,3}(\\.[0-9]*)?")) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(Math.min(100, (int) Double.parseDouble(content)));
    }

    /** What is being done and how far it is. */
    @Override
    public String toString() {
        return taskName + ": " + content;
    }
}
