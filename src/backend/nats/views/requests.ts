/** Requests between the processes of the service, and their answers: core NATS, at most once. */

import type { Msg, MsgHdrs } from "nats";
import { headers } from "nats";
import { messageOf, TocsinError } from "../../../lib/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { keyOf } from "../names.ts";
import type { Answer, Request } from "./requestsMessages.ts";
import { answerIn, answerMessage, errorAnswer, REFUSED, requestBytes, requestIn } from "./requestsMessages.ts";
import { Pieces, pieceHeader, piecesOf, readPieces } from "./requestsPieces.ts";

/** Most requests that are worked on at a time. */
const MOST_UNDER_WAY = 64;
/** Most that have not ended, also when nobody waits for them any longer. */
const MOST_UNENDED = 256;
/** At the end, what is under way has this long to be answered, ms. */
const END_MS = 2000;
/** How often it is looked whether waiting is in vain, ms. */
const LOOK_MS = 250;
const MOST_VAIN_LOOKS = 3;
/** What a message may have besides its bytes. */
const HEADER_BYTES = 256;
/** Most kinds of trouble that are logged. */
const MOST_TOLD = 1000;
const PIECE = "Tocsin-Piece";

/** Of a method that there is not, or of arguments that are none of it. */
export class BadRequest extends Error {
  readonly why: "method" | "request";
  constructor(why: "method" | "request") {
    super(why);
    this.why = why;
  }
}

/** Answers a request. May throw `BadRequest`; of a `TocsinError` code and message are told, of any other error nothing. */
export type RequestHandler = (method: string, args: readonly unknown[]) => Promise<unknown>;

/**
 * Takes requests to that process from now on, 64 at a time, and no more while 256 of them have not ended. Returns what ends it: nothing more is taken, and it resolves
 * when what is under way has been answered, within 2 s.
 */
export function serveRequests(link: NatsLink, memberId: string, handler: RequestHandler): () => Promise<void> {
  const { nc, names, log } = link;
  const told = new Set<string>();
  const underWay = new Set<Promise<void>>();
  let unended = 0;

  /** Once for each kind: whoever sends nonsense may send much of it. */
  const warn = (text: string, fields: Readonly<Record<string, unknown>>) => {
    const kind = JSON.stringify([text, fields]);
    if (told.has(kind) || told.size >= MOST_TOLD) return;
    told.add(kind);
    log.warn(text, fields);
  };

  const reply = async (message: Msg, answer: Answer) => {
    if ("refused" in answer) warn("request refused", { reason: answer.refused });
    const largest = Math.max(64, (nc.info?.max_payload ?? 2 ** 20) - HEADER_BYTES);
    const pieces = await piecesOf(answerMessage(answer), largest);
    if (!pieces) return reply(message, { refused: "large" });
    for (const [index, piece] of pieces.entries()) {
      if (pieces.length === 1) message.respond(piece);
      else message.respond(piece, { headers: headersOf(index, pieces.length) });
    }
  };

  const answerTo = async ({ method, args }: Request): Promise<Answer> => {
    unended++;
    try {
      return { value: await handler(method, args) };
    } catch (error) {
      if (error instanceof BadRequest) return { refused: error.why };
      const answer = errorAnswer(error);
      if (answer === undefined) warn("request failed", { method, reason: messageOf(error) });
      return answer ?? { refused: "failed" };
    } finally {
      unended--;
    }
  };

  const work = async (message: Msg, request: Request) => {
    // What hangs must not keep its place when nobody waits for it any longer.
    const answer = await within(link, request.timeoutMs, answerTo(request));
    if (!answer) return;
    await reply(message, answer).catch(async (error: unknown) => {
      // E.g. what cannot be written as JSON.
      warn("request failed", { method: request.method, reason: messageOf(error) });
      await reply(message, { refused: "failed" });
    });
  };

  const take = (message: Msg) => {
    const request = requestIn(message.data);
    const unanswered = (error: unknown) => warn("request not answered", { reason: messageOf(error) });
    const isBusy = underWay.size >= MOST_UNDER_WAY || unended >= MOST_UNENDED;
    if (typeof request === "string" || isBusy) {
      void reply(message, { refused: typeof request === "string" ? request : "busy" }).catch(unanswered);
      return;
    }
    const done = work(message, request)
      .catch(unanswered)
      .finally(() => underWay.delete(done));
    underWay.add(done);
  };

  const subscription = nc.subscribe(names.requestSubject(keyOf(memberId)), {
    callback(error, message) {
      if (error) warn("requests not taken", { reason: error.message });
      else take(message);
    },
  });
  return async () => {
    // What the server has sent already is answered, too: its senders would wait in vain.
    const drained = subscription.drain().catch(() => undefined);
    await within(
      link,
      END_MS,
      drained.then(() => Promise.all(underWay)),
    );
  };
}

/** There is no answer, and it is known, or not, that nothing was done. */
export class Unanswered extends TocsinError {
  /** Nothing was done: the request may go elsewhere. Otherwise nobody knows. */
  readonly isUndone: boolean;
  constructor(code: string, message: string, isUndone: boolean) {
    super(code, message);
    this.isUndone = isUndone;
  }
}

/**
 * Asks a process. Resolves to what its handler returned, and rejects with the `TocsinError` that its handler threw, or
 * with `Unanswered`: `E660` when it is not there, does not answer within that time (1 ms … 10 min), or the bus is away;
 * `E664` when it has too much to do; `E665` when it cannot answer that. `isGone`: nobody need wait for it any longer.
 */
export async function ask(
  link: NatsLink,
  memberId: string,
  method: string,
  args: readonly unknown[],
  timeoutMs: number,
  isGone: () => boolean = () => false,
): Promise<unknown> {
  const { nc, names } = link;
  // The client would keep it, and send it long after it was given up.
  if (!link.isUp() || nc.isDraining()) throw new Unanswered("E660", "the bus is not connected", true);
  const request = requestBytes({ method, args, timeoutMs });
  const inbox = link.inbox();
  let hear: (answer: Uint8Array | Error) => void = () => {};
  const heard = new Promise<Uint8Array | Error>((resolve) => {
    hear = resolve;
  });
  const pieces = new Pieces();
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      try {
        if (error) throw error;
        if (isUnheard(message)) throw new Unanswered("E660", `there is no process ${memberId} any more`, true);
        const whole = pieces.add(message.headers?.get(PIECE) ?? "", message.data);
        if (whole) hear(whole);
      } catch (trouble) {
        hear(trouble instanceof Unanswered ? trouble : unread(memberId));
      }
    },
  });
  try {
    nc.publish(names.requestSubject(keyOf(memberId)), request, { reply: inbox });
    const bytes = await until(link, timeoutMs, heard, isGone);
    if (bytes === undefined) throw new Unanswered("E660", `process ${memberId} does not answer`, false);
    if (bytes instanceof Error) throw bytes;
    const answer = await readPieces(bytes).then(answerIn, () => undefined);
    return valueIn(answer, memberId);
  } finally {
    subscription.unsubscribe();
  }
}

function valueIn(answer: Answer | undefined, memberId: string): unknown {
  if (answer === undefined) throw unread(memberId);
  if ("error" in answer) throw new TocsinError(answer.error.code, answer.error.message);
  if (!("refused" in answer)) return answer.value;
  const { refused } = answer;
  const code = refused === "busy" ? "E664" : "E665";
  // What is too large has been worked out, and what failed may have done something first.
  const isUndone = refused !== "large" && refused !== "failed";
  throw new Unanswered(code, `process ${memberId} does not answer: ${REFUSED[refused]}`, isUndone);
}

function unread(memberId: string): Unanswered {
  return new Unanswered(
    "E665",
    `the answer of process ${memberId} cannot be read: it may be of another version`,
    false,
  );
}

/** The server's own word that nobody listens there. */
function isUnheard({ headers: said, data }: Msg): boolean {
  return data.length === 0 && said?.code === 503;
}

function headersOf(index: number, count: number): MsgHdrs {
  const own = headers();
  own.set(PIECE, pieceHeader(index, count));
  return own;
}

/** `undefined`: it took longer. */
async function within<T>({ clock }: NatsLink, limitMs: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => resolve(undefined));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** The same; and what can come no more is not waited for. */
async function until<T>(
  link: NatsLink,
  limitMs: number,
  work: Promise<T>,
  isGone: () => boolean,
): Promise<T | undefined> {
  const { clock } = link;
  return new Promise((resolve, reject) => {
    const end = clock.monotonic() + limitMs;
    let timer = clock.after(0, () => {});
    let vainLooks = 0;
    const look = () => {
      const leftMs = end - clock.monotonic();
      // Its last answers come while it goes.
      vainLooks = !link.isUp() || isGone() ? vainLooks + 1 : 0;
      if (leftMs <= 0 || vainLooks > MOST_VAIN_LOOKS) resolve(undefined);
      else timer = clock.after(Math.min(LOOK_MS, leftMs), look);
    };
    look();
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
