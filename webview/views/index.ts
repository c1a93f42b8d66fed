import type { View } from "../view";
import { memory } from "./memory";
import { ntk } from "./ntk";
import { overview } from "./overview";
import { parameters } from "./parameters";
import { runs } from "./runs";

/** The views, in the order of their tabs. */
export const views: readonly View[] = [overview, memory, parameters, ntk, runs];
