import { randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { ConnectionError } from "vscode-languageserver/node";
import { createWebSocketStream, WebSocketServer } from "ws";
import { version } from "../package.json";
import { Session } from "./server/session";

/** Of one message: far more than any file that an editor keeps open. */
const MAX_MESSAGE = 64 * 2 ** 20;

export interface ServeOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** Whether the process ends when its standard input does, and when its editor has said goodbye. */
  readonly untilInputEnds: boolean;
}

/**
 * `kernelscope serve`: language server and custom requests over one WebSocket, on this machine only, for those who present
 * the token. Prints `{"address","token"}` as one line when it listens.
 */
export function serve({ port, untilInputEnds }: ServeOptions): Promise<never> {
  const token = randomBytes(32).toString("base64url");
  const sessions = new Set<Session>();
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    verifyClient: ({ req }: { req: IncomingMessage }) => isAdmitted(req, token),
  });
  process.on("unhandledRejection", outlive).on("uncaughtException", outlive);
  const end = (): void => {
    for (const session of sessions) session.dispose();
    // Workers that are told to end are given the time to
    setTimeout(() => process.exit(0), 50);
  };
  server.on("connection", (socket) => {
    const stream = createWebSocketStream(socket);
    // What goes wrong with the connection ends it, which `close` tells
    stream.on("error", () => undefined);
    const session = new Session(stream, version, () => {
      if (untilInputEnds) end();
    });
    sessions.add(session);
    socket.on("close", () => {
      sessions.delete(session);
      session.dispose();
    });
  });
  server.on("listening", () => {
    const { port: free } = server.address() as AddressInfo;
    console.log(JSON.stringify({ address: `ws://127.0.0.1:${free}`, token }));
  });
  if (untilInputEnds) process.stdin.on("end", end).on("error", end).resume();
  return new Promise((_, reject) => {
    server.on("error", reject);
  });
}

/** What goes wrong in one conversation is told in the log, and does not end the others. */
function outlive(error: unknown): void {
  // Something was still to be said to an editor that has gone
  if (error instanceof ConnectionError) return;
  console.error(error);
}

/** Who has the token. A browser, in which any page may try, always tells its origin: none is let in. */
function isAdmitted({ headers }: IncomingMessage, token: string): boolean {
  if (headers.origin !== undefined) return false;
  const given = Buffer.from(headers.authorization ?? "");
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
