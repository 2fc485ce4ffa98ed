package longhaul.sdk;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.TypeAdapter;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Locale;

/** Reads answers: Gson, with both forms of moments. Says what is wrong in the exceptions' messages. */
final class Json {
    /** {@code Nov 14, 2017 10:20:57 PM}, and the same with a comma after the year, as newer JDKs write it. */
    private static final DateTimeFormatter WITHOUT_ZONE = new DateTimeFormatterBuilder()
        .parseCaseInsensitive()
        .appendPattern("MMM d, yyyy[,] h:mm:ss a")
        .toFormatter(Locale.US);

    private final Gson gson;

    Json(ZoneId serverZone) {
        gson = new GsonBuilder()
            .registerTypeAdapter(Instant.class, new Moments(serverZone).nullSafe())
            .disableHtmlEscaping()
            .create();
    }

    /**
     * The JSON object of a text.
     *
     * @throws JsonParseException if the text is none
     */
    JsonObject object(String text) {
        try {
            JsonElement read = gson.getAdapter(JsonElement.class).fromJson(text);
            if (read != null && read.isJsonObject()) {
                return read.getAsJsonObject();
            }
        } catch (IOException notJson) {
            throw new JsonParseException(notJson.getMessage(), notJson);
        }
        throw new JsonParseException("it is no JSON object");
    }

    /**
     * An object as a value of a type.
     *
     * @throws JsonParseException if a member is not what the type says
     */
    <T> T as(Class<T> type, JsonObject object) {
        return gson.fromJson(object, type);
    }

    String text(JsonObject object) {
        return gson.toJson(object);
    }

    /** A moment of either form. */
    static Instant moment(String text, ZoneId zone) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException otherForm) {
            // Newer JDKs write a narrow no-break space before AM and PM.
            String plain = text.replace('\u202f', ' ').replace('\u00a0', ' ');
            return LocalDateTime.parse(plain, WITHOUT_ZONE).atZone(zone).toInstant();
        }
    }

    private static final class Moments extends TypeAdapter<Instant> {
        private final ZoneId zone;

        Moments(ZoneId zone) {
            this.zone = zone;
        }

        @Override
        public void write(JsonWriter out, Instant value) throws IOException {
            out.value(value.toString());
        }

        @Override
        public Instant read(JsonReader in) throws IOException {
            if (in.peek() != JsonToken.STRING) {
                throw new JsonParseException("a moment is text, but " + in.peek() + " is at " + in.getPath());
            }
            String text = in.nextString();
            try {
                return moment(text, zone);
            } catch (DateTimeException wrong) {
                throw new JsonParseException("'" + text + "' at " + in.getPreviousPath()
                    + " is no moment; known are 2017-11-14T22:20:57+08:00 and Nov 14, 2017 10:20:57 PM", wrong);
            }
        }
    }
}
