import bandog.Request;
import bandog.Response;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import sun.misc.Signal;

/**
 * Serves Handler where the watchdog looks for it: upstream_url.
 *
 * <p>Timeouts and limits are the watchdog's: those of the JDK's server are switched off in jvm.options.
 */
final class Main {
    private static final int ALL = Integer.MAX_VALUE;
    private static final int TWO_WEEKS = 14 * 24 * 60 * 60;

    private final HttpServer server;
    private final Semaphore calls = new Semaphore(ALL); // one is taken by each call under way

    private Main(InetSocketAddress address) throws IOException {
        server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", this::serve);
    }

    public static void main(String[] args) {
        String url = Objects.requireNonNullElse(System.getenv("upstream_url"), "");
        try {
            Main main = new Main(address(url));
            for (String name : new String[] {"TERM", "INT"}) {
                Signal.handle(new Signal(name), signal -> main.stop());
            }
            main.server.start();
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        } catch (IOException e) {
            System.err.println("cannot listen at " + url + ": " + e.getMessage());
            System.exit(1);
        }
    }

    private static InetSocketAddress address(String url) {
        if (!url.matches("http://[^/]+:\\d+(/.*)?")) {
            throw new IllegalArgumentException("upstream_url must be http://HOST:PORT, "
                    + "because the JDK's server has no unix sockets, not \"" + url + "\"");
        }
        URI uri = URI.create(url);
        return new InetSocketAddress(uri.getHost(), uri.getPort());
    }

    /** No shutdown hook: that would wait for a call that waits in System.exit. */
    private void stop() {
        new Thread(() -> server.stop(TWO_WEEKS)).start(); // no longer listens, and leaves calls alone
        calls.acquireUninterruptibly(ALL);
        System.exit(0);
    }

    private void serve(HttpExchange exchange) throws IOException {
        calls.acquireUninterruptibly();
        try (exchange) {
            send(exchange, answer(exchange));
        } finally {
            calls.release();
        }
    }

    private static Response answer(HttpExchange exchange) throws IOException {
        URI uri = exchange.getRequestURI();
        Request request = new Request(
                exchange.getRequestMethod(),
                uri.getRawPath(),
                Objects.requireNonNullElse(uri.getRawQuery(), ""),
                exchange.getRequestHeaders(),
                exchange.getRequestBody().readAllBytes());
        try {
            return Objects.requireNonNull(Handler.handle(request), "Handler.handle() returned null");
        } catch (Throwable e) {
            e.printStackTrace();
            return Response.bytes("Internal Server Error\n".getBytes()).status(500).header("Content-Type", "text/plain");
        }
    }

    private static void send(HttpExchange exchange, Response response) throws IOException {
        var headers = exchange.getResponseHeaders();
        response.headers().forEach(headers::put);
        headers.remove("Content-Length");
        headers.remove("Transfer-Encoding");
        headers.remove("Connection");

        byte[] body = response.body();
        int status = response.status();
        if (exchange.getRequestMethod().equals("HEAD") && status != 204 && status != 304) {
            headers.set("Content-Length", Integer.toString(body.length));
            exchange.sendResponseHeaders(status, -1);
        } else if (body.length == 0 || status == 204 || status == 304) {
            exchange.sendResponseHeaders(status, -1);
        } else {
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
