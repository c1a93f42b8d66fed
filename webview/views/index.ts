import type { PanelState } from "../../sidecar/protocol/panel";
import type { View } from "../view";
import { graph } from "./graph";
import { memory } from "./memory";
import { ntk } from "./ntk";
import { overview } from "./overview";
import { parameters } from "./parameters";
import { runs } from "./runs";

/** The views, in the order of their tabs. The editor of a model's file shows its graph before all else. */
export function viewsIn(place: PanelState["place"]): readonly View[] {
  const first = place === "editor" ? [graph, overview] : [overview, graph];
  return [...first, memory, parameters, ntk, runs];
}
