package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;
import java.util.function.Consumer;

/**
 * Assembles what all products of one token have around them: the walk over the panels of a few
 * streams, with {@link AssembledDot}'s parameters, and the storing of their totals.
 */
final class PanelStreams {
  private static final MaskRegister ROWS = MaskRegister.K1;
  private static final int LINE_BYTES = 64;

  private PanelStreams() {}

  /** What a stream's rows sum up to. */
  static Zmm total(int stream) {
    return new Zmm(stream);
  }

  /**
   * Assembles a whole function.
   *
   * @param prefetchBytes how far ahead of what a stream multiplies {@code panel} asks for memory
   * @param panel assembles the totals of a panel of each stream, of which the first's address is in
   *     R11, and a stream's and three streams' distance in RCX and RDX; keeps RSI and R11
   */
  static void assemble(Assembler a, int streams, int prefetchBytes, Runnable panel) {
    a.add(RSI, Address.of(RDI, AssembledDot.Y_OFFSET));
    a.mov(RAX, Address.of(RDI, AssembledDot.ROW_MASK));
    a.kmovw(ROWS, RAX);
    a.mov(R11, Address.of(RDI, AssembledDot.PANEL));
    loadDistance(a, AssembledDot.STREAM_BYTES);
    readBeginnings(a, streams, prefetchBytes);
    Label next = new Label();
    a.bind(next);
    loadDistance(a, AssembledDot.STREAM_BYTES);
    panel.run();
    loadDistance(a, AssembledDot.Y_STREAM_BYTES);
    for (int s = 0; s < streams; s++) {
      a.vmovups(AssembledDot.inStream(s, RSI, 0), ROWS, total(s));
    }
    a.add(RSI, AssembledDot.Y_PANEL_BYTES);
    a.add(R11, Address.of(RDI, AssembledDot.PANEL_BYTES));
    a.cmp(R11, Address.of(RDI, AssembledDot.PANEL_END));
    a.jb(next);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
  }

  /**
   * Reads what of each stream nothing asks for ahead, all at once. By loads: a processor drops
   * prefetches when there are more than it can keep track of.
   */
  private static void readBeginnings(Assembler a, int streams, int byteCount) {
    Label isInStream = new Label();
    a.mov(R10, R11);
    a.add(R10, byteCount);
    a.cmp(R10, Address.of(RDI, AssembledDot.PANEL_END));
    a.jb(isInStream);
    a.mov(R10, Address.of(RDI, AssembledDot.PANEL_END));
    a.bind(isInStream);
    forEachLine(a, streams, 0, line -> a.mov(R9, line));
  }

  /**
   * Assembles a loop over the lines from R11 to R10 that does something with each, of every stream;
   * overwrites RAX.
   *
   * @param aheadBytes how far behind these lines those are
   */
  static void forEachLine(Assembler a, int streams, int aheadBytes, Consumer<Address> use) {
    a.mov(RAX, R11);
    Label line = new Label();
    a.bind(line);
    for (int s = 0; s < streams; s++) {
      use.accept(AssembledDot.inStream(s, RAX, aheadBytes));
    }
    a.add(RAX, LINE_BYTES);
    a.cmp(RAX, R10);
    a.jb(line);
  }

  private static void loadDistance(Assembler a, int parameter) {
    a.mov(RCX, Address.of(RDI, parameter));
    a.lea(RDX, Address.of(RCX, RCX, 2, 0));
  }
}
