import type { NoAttributes } from "../../primitives/attributes";
import type { Primitive } from "../../primitives/primitive";
import { broadcastStrides, offsets } from "./offsets";
import { zeros, type Kernel } from "./kernel";

/**
 * Any primitive that is a function of numbers. Results for integers become so by being stored in an integer array, which
 * truncates: that is what `div` of int32 wants.
 */
export function elementwise(primitive: Primitive<NoAttributes>): Kernel<NoAttributes> {
  const { scalar } = primitive;
  if (scalar === undefined) throw new Error("an elementwise primitive without a function on numbers");
  return (inputs, _attributes, output) => {
    const result = zeros(output);
    const positions = inputs.map(({ shape }) => offsets(output.shape, broadcastStrides(shape)));
    const [x, y, z] = inputs.map(({ data }) => data);
    const [atX, atY, atZ] = positions;
    switch (inputs.length) {
      case 1:
        for (let index = 0; index < result.length; index++) result[index] = scalar(x[atX[index]]);
        return result;
      case 2:
        for (let index = 0; index < result.length; index++) result[index] = scalar(x[atX[index]], y[atY[index]]);
        return result;
      default:
        for (let index = 0; index < result.length; index++) {
          result[index] = scalar(x[atX[index]], y[atY[index]], z[atZ[index]]);
        }
        return result;
    }
  };
}
