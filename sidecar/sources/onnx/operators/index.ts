import type { OperatorTable } from "../call";
import { attentions } from "./attention";
import { control } from "./control";
import { convolutions } from "./convolutions";
import { elementwise } from "./elementwise";
import { indexing } from "./indexing";
import { losses } from "./losses";
import { normalisation } from "./normalisation";
import { pooling } from "./pooling";
import { products } from "./products";
import { quantisation } from "./quantisation";
import { recurrentLayers } from "./recurrent";
import { reductions } from "./reductions";
import { resizing } from "./resize";
import { shapes } from "./shapes";
import { signal } from "./signal";
import { vision } from "./vision";

/** How each operator of ONNX's standard domain is said in primitives. One that is not here is refused. */
export const operators: OperatorTable = {
  ...elementwise,
  ...products,
  ...convolutions,
  ...pooling,
  ...normalisation,
  ...reductions,
  ...shapes,
  ...indexing,
  ...resizing,
  ...recurrentLayers,
  ...attentions,
  ...vision,
  ...signal,
  ...losses,
  ...control,
  ...quantisation,
};
