import bandog.Request;
import bandog.Response;

public class Handler {
    /** Called by several threads at a time. What it throws is answered with 500. */
    public static Response handle(Request request) {
        return Response.text("Hello! You said: " + request.text() + "\n");
    }
}
