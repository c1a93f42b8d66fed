/** Import specifiers that lead to TensorFlow.js, with any subpath. */
export const tensorflowPackages =
  /^@tensorflow\/tfjs(?:-core|-layers|-converter|-data|-node|-node-gpu|-backend-[a-z-]+)?(?:\/.*)?$/;
