import bandog.Request;
import bandog.Response;
import java.util.Map;

/** Without a library: assertions, and a main that java -ea runs. */
public class HandlerTest {
    public static void main(String[] args) throws Exception {
        Request request = new Request("POST", "/", "", Map.of(), "hi".getBytes());

        Response response = Handler.handle(request);

        assert response.status() == 200 : response.status();
        assert response.text().equals("Hello! You said: hi\n") : response.text();
    }
}
