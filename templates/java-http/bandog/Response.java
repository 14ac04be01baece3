package bandog;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * An answer: {@code Response.text("no such thing").status(404)}.
 *
 * <p>Content-Length, Transfer-Encoding and Connection are the server's own: yours are left out.
 */
public final class Response {
    private static final Pattern NAME = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
    private static final Pattern VALUE = Pattern.compile("[\\t\\x20-\\x7e\\x80-\\xff]*");

    private final byte[] body;
    private final Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private int status = 200;

    private Response(byte[] body) {
        this.body = Objects.requireNonNull(body);
    }

    /** An answer of any bytes. Without a Content-Type the watchdog finds one that fits them. */
    public static Response bytes(byte[] body) {
        return new Response(body);
    }

    public static Response text(String body) {
        return bytes(body.getBytes(StandardCharsets.UTF_8)).header("Content-Type", "text/plain; charset=utf-8");
    }

    /** JSON that is text already: which library makes it is up to you. */
    public static Response json(String body) {
        return bytes(body.getBytes(StandardCharsets.UTF_8)).header("Content-Type", "application/json");
    }

    public static Response empty(int status) {
        return bytes(new byte[0]).status(status);
    }

    public Response status(int status) {
        if (status < 200 || status > 599) {
            throw new IllegalArgumentException("no status of an answer: " + status);
        }
        this.status = status;
        return this;
    }

    /** Sets a header, instead of what it was. */
    public Response header(String name, String value) {
        headers.remove(name);
        return addHeader(name, value);
    }

    /** Adds a header to those of the same name. */
    public Response addHeader(String name, String value) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("no name of a header: " + name);
        }
        if (!VALUE.matcher(value).matches()) {
            throw new IllegalArgumentException("a character that cannot be sent in header " + name);
        }
        headers.computeIfAbsent(name, any -> new ArrayList<>()).add(value);
        return this;
    }

    public int status() {
        return status;
    }

    public Map<String, List<String>> headers() {
        return headers;
    }

    public byte[] body() {
        return body;
    }

    /** The body as UTF-8. */
    public String text() {
        return new String(body, StandardCharsets.UTF_8);
    }
}
