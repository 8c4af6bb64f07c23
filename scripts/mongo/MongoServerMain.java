import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** Speaks MongoDB's protocol over TCP on loopback, and keeps the data in an H2 file: `MongoServerMain PORT FILE`. */
public final class MongoServerMain {
    /** What a MongoDB 5.0 says of itself; the library's own says wire version 8, which pymongo refuses. */
    private record Version(List<Integer> getVersionArray, int getWireVersion) implements MongoVersion {}

    public static void main(String[] arguments) {
        int port = Integer.parseInt(arguments[0]);
        H2Backend backend = new H2Backend(arguments[1]);
        backend.version(new Version(List.of(5, 0, 0), 13));
        MongoServer server = new MongoServer(backend);
        // On SIGTERM: first no new requests, then everything goes to the disk.
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        server.bind("127.0.0.1", port);
    }
}
