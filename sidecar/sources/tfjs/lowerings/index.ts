import { convolutions } from "./convolutions";
import { elementwise } from "./elementwise";
import { indexing } from "./indexing";
import type { LoweringTable } from "./kernel";
import { normalisation } from "./normalisation";
import { pooling } from "./pooling";
import { products } from "./products";
import { reductions } from "./reductions";
import { resizing } from "./resizing";
import { shapes } from "./shapes";

/** How each kernel of TensorFlow.js is said in primitives. A kernel that is not here becomes an opaque equation. */
export const lowerings: LoweringTable = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...products,
  ...convolutions,
  ...pooling,
  ...normalisation,
  ...indexing,
  ...resizing,
};
