import { chromium as launcher, type Browser } from "playwright-core";
import { chromium } from "../tools";

/** The tests' Chromium; `undefined` where this machine has none. */
export const executable = chromium;

export function launch(): Promise<Browser> {
  return launcher.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
}
