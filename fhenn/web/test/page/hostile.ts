/** A service that means harm: the real one, but for what it answers to predictions. */

import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What is done to an answer: given what the real service said. */
export type Attack = (response: ServerResponse, status: number, headers: OutgoingHttpHeaders, body: Buffer) => void;

export interface Hostile {
  readonly url: string;
  /** What is done to predictions from now on; null to be honest. */
  attack: Attack | null;
  close(): Promise<void>;
}

/** A hostile service before a real one. */
export async function hostile(service: string): Promise<Hostile> {
  const server = createServer((asked, response) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk: Buffer) => chunks.push(chunk));
    asked.on("end", () => void pass(asked, Buffer.concat(chunks), response));
  });
  const pass = (asked: IncomingMessage, body: Buffer, response: ServerResponse): void => {
    const { host: _, ...headers } = asked.headers;
    const inner = request(service + (asked.url ?? "/"), { method: asked.method ?? "GET", headers }, (found) => {
      const chunks: Buffer[] = [];
      found.on("data", (chunk: Buffer) => chunks.push(chunk));
      found.on("end", () => {
        const [status, content] = [found.statusCode ?? 500, Buffer.concat(chunks)];
        if (self.attack && asked.method === "POST") return self.attack(response, status, found.headers, content);
        response.writeHead(status, found.headers).end(content);
      });
    });
    inner.on("error", () => response.destroy());
    inner.end(body);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const self: Hostile = {
    url,
    attack: null,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return self;
}

/** A problem document (RFC 9457). */
export function problem(status: number, kind: string): Attack {
  return (response) => {
    const body = JSON.stringify({
      type: `urn:fhenn:problem:${kind}`,
      title: kind,
      status,
      detail: "<b>no</b>",
      instance: "urn:fhenn:request:1",
    });
    response.writeHead(status, { "Content-Type": "application/problem+json" }).end(body);
  };
}
