/**
 * Text to tokens and back: {@code Tokenizer} opens the tokenizer files of a pack or a checkpoint,
 * {@code TextStream} turns tokens into text as they come, {@code TextGenerator} continues a prompt
 * until a stop string or another end.
 *
 * <p>The tokenizing itself is HuggingFace's native library, whose binary lies in the jar of {@code
 * ai.djl.huggingface:tokenizers}; {@code NativeTokenizer} is the only class that sees it. Nothing
 * here renders chat templates or loads anything from a network. Start with {@code Tokenizer}.
 */
package bora.runtime.text;
