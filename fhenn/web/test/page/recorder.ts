/** A line to the service that keeps a copy of every byte that leaves the page. */

import { createServer, connect, type AddressInfo, type Server } from "node:net";

/** Where the page is sent, and what it has sent. */
export interface Recorder {
  readonly url: string;
  readonly sent: Buffer[];
  close(): Promise<void>;
}

/** A recorder before a service. */
export async function record(service: string): Promise<Recorder> {
  const { hostname, port } = new URL(service);
  const sent: Buffer[] = [];
  const server: Server = createServer((peer) => {
    const beyond = connect(Number(port), hostname);
    peer.on("data", (data) => void sent.push(data));
    peer.pipe(beyond).pipe(peer);
    for (const each of [peer, beyond]) each.on("error", () => void (peer.destroy(), beyond.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, sent, close: () => new Promise((resolve) => void server.close(() => resolve())) };
}
