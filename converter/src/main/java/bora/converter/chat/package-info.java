/**
 * Conversations with an instructed model: {@code ChatTemplate} renders messages as the prompt that
 * the model was trained on, {@code Conversation} keeps what was said and what the session has run.
 *
 * <p>Templates come with a model, so they are not trusted: they reach no file, no class and no
 * network, and their work is bounded. Start with {@code Conversation}.
 */
package bora.converter.chat;
