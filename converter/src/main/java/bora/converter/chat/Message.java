package bora.converter.chat;

/**
 * One turn of a conversation.
 *
 * @param role {@link #USER} or {@link #ASSISTANT}
 */
public record Message(String role, String content) {
  public static final String USER = "user";
  public static final String ASSISTANT = "assistant";
}
