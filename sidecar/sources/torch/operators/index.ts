import type { OperatorTable } from "../call";
import { attentions } from "./attention";
import { convolutions } from "./convolutions";
import { elementwise } from "./elementwise";
import { indexing } from "./indexing";
import { normalisation } from "./normalisation";
import { pooling } from "./pooling";
import { products } from "./products";
import { random } from "./random";
import { recurrences } from "./recurrent";
import { reductions } from "./reductions";
import { resizing } from "./resizing";
import { shapes } from "./shapes";

export { views } from "./views";

/** How each operator of ATen is said in primitives, by its name without overload. What is in place is its `_`. */
export const operators: OperatorTable = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...products,
  ...convolutions,
  ...pooling,
  ...normalisation,
  ...indexing,
  ...recurrences,
  ...attentions,
  ...resizing,
  ...random,
};
