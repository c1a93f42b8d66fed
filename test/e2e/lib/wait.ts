// Waiting for what an editor does in its own time. Nothing in the tests sleeps for a fixed time: it asks again until the
// answer is there.
import { setTimeout as sleep } from "node:timers/promises";
import type { Locator } from "playwright-core";

/** How long anything may take, in milliseconds, unless a call says otherwise. Generous: machines may be busy. */
export const patience = 60_000;

/** How long a window may take to load, with the extensions in it. */
export const loading = 120_000;

/**
 * Asks until the answer is not undefined, null or false, and returns it. An error that the question throws counts as
 * no answer. A question that acts, too (opens, clicks, fills in), reads with a timeout: what it waits for may be what it has
 * to open anew. When time is up, the error names what was waited for and, where there was one, the last error.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeout = patience, interval = 50 }: { timeout?: number; interval?: number } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const end = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) {
        return answer as Exclude<T, undefined | null | false>;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) throw new Error(`waited ${timeout / 1000} s in vain for ${what}`, { cause: last });
    await sleep(interval);
  }
}

/**
 * Clicks once, to be asked for again where it throws. On a busy machine the time may be up when the click is made and
 * playwright waits for what comes of it: that click counts, for what was clicked may be gone and must not be clicked twice.
 */
export async function clickOnce(target: Locator, options: { button?: "right" } = {}): Promise<void> {
  try {
    await target.click({ timeout: 5000, ...options });
  } catch (error) {
    const [, made] = error instanceof Error ? error.message.split(/performing click action(?!.*performing)/s) : [];
    if (made === undefined || made.includes("intercepts pointer events")) throw error;
  }
}

/** Text as a reader sees it: non-breaking spaces are spaces, and what has no width is not there. */
export function plain(text: string): string {
  return text.replace(/\u00a0/g, " ").replace(/[\u200b-\u200d\u2060\ufeff]/g, "");
}

/** What a text has to be: equal to a string, or matched by an expression. */
export type Pattern = string | RegExp;

export function matches(text: string, pattern: Pattern): boolean {
  return typeof pattern === "string" ? text === pattern : pattern.test(text);
}

/** The same for playwright's `hasText`, which sees the text with its non-breaking spaces. */
export function textOf(pattern: Pattern): RegExp {
  if (typeof pattern !== "string") return new RegExp(pattern.source.replaceAll(" ", "\\s"), pattern.flags);
  const escaped = pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^\\s*${escaped.replaceAll(" ", "\\s")}\\s*$`);
}
