package bandog;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * What was asked for.
 *
 * @param method as sent, such as {@code GET}
 * @param path as sent, not decoded, up to the {@code ?}
 * @param query what is behind the {@code ?}, not decoded; empty when there is nothing
 * @param headers all values of each header, in order; names in any case
 * @param body any bytes
 */
public record Request(String method, String path, String query, Map<String, List<String>> headers, byte[] body) {

    /** The first value of a header, or null. */
    public String header(String name) {
        List<String> values = headers.get(name);
        return values == null ? null : values.get(0);
    }

    /** The body as UTF-8. */
    public String text() {
        return new String(body, StandardCharsets.UTF_8);
    }
}
