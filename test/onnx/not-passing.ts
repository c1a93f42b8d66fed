/**
 * The cases of ONNX's operator tests that do not pass, and why: each pattern is of the names of whole cases, without
 * `test_` and `_expanded`. A case that passes must not be here, and one that does not must.
 */
export const notPassing: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/string|regex|strnormalizer|label_encoder/, "text has no place in a graph of numbers"],
  [
    /^(identity_(opt|sequence)|if_(opt|seq)|loop13_seq|loop16_seq_none|optional_get_element_(sequence|optional_(sequence|tensor))|optional_has_element_(empty_optional_input|optional_input|tensor_input)|sequence_(insert|map).*|split_to_sequence.*)$/,
    "sequences and optionals are read inside of a model, but not as its inputs and outputs",
  ],
  [/^(bernoulli|training_dropout(_default)?(_mask)?$)/, "random numbers: each run would be of another function"],
  [/^(adagrad|adam|momentum|nesterov)/, "steps of training (ai.onnx.preview.training), not inference"],
  [/^ai_onnx_ml_(array|binarizer|tree)/, "the domain ai.onnx.ml (trees, encoders) is not read"],
  [/^flexattention/, "the domain ai.onnx.preview is not read; what the operator stands for, written out, is"],
  [/^image_decoder/, "decodes files of images, which are no numbers yet"],
  [/^tfidfvectorizer/, "counts words, whose number is not that of a tensor's elements"],
  [
    /_bf16$|^celu_bfloat16|^attention_4d_gqa_with_past_and_present_fp16$/,
    "float16 and bfloat16 are computed as float32, which is more exact than the result that is expected",
  ],
  [
    /^dft_inverse(_opset19)?$/,
    "expects the rounding errors of float32 where the result is 0, and more than the tolerance",
  ],
  [/^dynamicquantizelinear$/, "x / scale is 25.5 in float32 and a little less in the 64 bits of the reference engine"],
  [/^bitcast_(float64|int64|uint32)/, "integers of 64 bits, and unsigned ones of 32, have no bits of their own here"],
  [/^cast_e8m0_FLOAT(16)?_to/, "casts to float8e8m0 are not read"],
];

/** Passing cases (named likewise) whose derivative is not what differences of values say, and why. */
export const notSmooth: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^cast(like)?_|^quantizelinear_/, "rounds: derivatives pass as if it did not"],
  [/^(floor|round|sign)|^hardmax|^gridsample(_volumetric)?_nearest/, "steps, whose derivative is 0, at the very step"],
  [/^(elu|leakyrelu|selu|thresholdedrelu)_example/, "at a kink, where the slopes of both sides differ"],
  [
    /^(maxpool_3d_dilations|reduce_min_default_axes_keepdims_example|roialign)/,
    "several elements are the largest at once",
  ],
  [
    /deform_conv|^gridsample(_volumetric)?_(bilinear|aligncorners_true)/,
    "between two elements, at the very place of one",
  ],
  [/^l2normalization_axis_0$/, "the direction of a vector that is 0"],
  [/^mod_float_edge_cases/, "at a jump, and at infinities"],
];
