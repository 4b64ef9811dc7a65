package bora.runtime.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Writes machine code of x86-64: the few instructions that the kernels need, on vectors of 512
 * bits. Methods have the names and the order of operands of Intel's manual (Software Developer's
 * Manual, volume 2, which is the source of every opcode here); the tests hold each against GNU as.
 *
 * <p>Jumps always have 32 bits, so that a label needs one pass.
 */
public final class Assembler {
  // Opcode maps and mandatory prefixes, as the VEX and EVEX prefixes encode them.
  private static final int MAP_0F = 1;
  private static final int MAP_0F38 = 2;
  private static final int MAP_0F3A = 3;
  private static final int NO_PREFIX = 0;
  private static final int PREFIX_66 = 1;
  private static final int PREFIX_F3 = 2;

  private static final int VECTOR_BYTES = 64;
  private static final int HALF_BYTES = 32;
  private static final int LANE_BYTES = 4;
  private static final int WIDE_LANE_BYTES = 8;

  /** The comparison that {@code vcmpps} makes for {@link #vcmpunordps}. */
  private static final int UNORDERED = 3;

  private byte[] code = new byte[4096];
  private int size;
  private final List<Reference> references = new ArrayList<>();

  /** A place of four bytes that receives the distance from {@code from} to a label. */
  private record Reference(int position, int from, Label label) {}

  /** The code so far, labels resolved. */
  public byte[] toBytes() {
    byte[] bytes = Arrays.copyOf(code, size);
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    for (Reference reference : references) {
      if (reference.label.position == Label.UNBOUND) {
        throw new IllegalStateException("a label was used and never bound");
      }
      buffer.putInt(reference.position, reference.label.position - reference.from);
    }
    return bytes;
  }

  /** Makes a label mean this place. */
  public void bind(Label label) {
    if (label.position != Label.UNBOUND) {
      throw new IllegalStateException("the label is bound already");
    }
    label.position = size;
  }

  // ---- data ----

  /** Fills up to a multiple of so many bytes. */
  public void align(int bytes) {
    while (size % bytes != 0) {
      emit(0xCC);
    }
  }

  /** Words of 32 bits as they are. */
  public void words(int... words) {
    for (int word : words) {
      emit32(word);
    }
  }

  /** Bytes as they are. */
  public void bytes(byte... bytes) {
    for (byte b : bytes) {
      emit(b);
    }
  }

  // ---- general registers ----

  public void mov(Gpr to, Gpr from) {
    rex(from.number, 0, to.number);
    emit(0x89);
    emit(0xC0 | low(from.number) << 3 | low(to.number));
  }

  public void mov(Gpr to, Address from) {
    scalar(0x8B, to.number, from);
  }

  public void mov(Address to, Gpr from) {
    scalar(0x89, from.number, to);
  }

  /** Of 32 bits; the upper ones become zero. */
  public void movDword(Gpr to, Address from) {
    prefix(to.number, from);
    emit(0x8B);
    modRm(to.number, from, 1, 0);
  }

  /** The lower 32 bits. */
  public void movDword(Address to, Gpr from) {
    prefix(from.number, to);
    emit(0x89);
    modRm(from.number, to, 1, 0);
  }

  /** The lower 16 bits. */
  public void movWord(Address to, Gpr from) {
    emit(0x66);
    movDword(to, from);
  }

  /** {@code mov r64, imm64}. */
  public void mov(Gpr to, long value) {
    rex(0, 0, to.number);
    emit(0xB8 | low(to.number));
    emit32((int) value);
    emit32((int) (value >>> 32));
  }

  public void lea(Gpr to, Address address) {
    scalar(0x8D, to.number, address);
  }

  public void add(Gpr to, Gpr value) {
    rex(value.number, 0, to.number);
    emit(0x01);
    emit(0xC0 | low(value.number) << 3 | low(to.number));
  }

  public void add(Gpr to, Address value) {
    scalar(0x03, to.number, value);
  }

  public void add(Gpr to, int value) {
    rex(0, 0, to.number);
    emit(0x81);
    emit(0xC0 | low(to.number));
    emit32(value);
  }

  public void sub(Gpr to, Gpr value) {
    rex(value.number, 0, to.number);
    emit(0x29);
    emit(0xC0 | low(value.number) << 3 | low(to.number));
  }

  public void cmp(Gpr left, Gpr right) {
    rex(right.number, 0, left.number);
    emit(0x39);
    emit(0xC0 | low(right.number) << 3 | low(left.number));
  }

  public void cmp(Gpr left, Address right) {
    scalar(0x3B, left.number, right);
  }

  public void test(Gpr left, Gpr right) {
    rex(right.number, 0, left.number);
    emit(0x85);
    emit(0xC0 | low(right.number) << 3 | low(left.number));
  }

  public void dec(Gpr register) {
    rex(0, 0, register.number);
    emit(0xFF);
    emit(0xC8 | low(register.number));
  }

  /** Jumps if the last comparison found below, unsigned. */
  public void jb(Label label) {
    emit(0x0F);
    emit(0x82);
    reference(label, 0);
  }

  /** Jumps if the last comparison found above or equal, unsigned. */
  public void jae(Label label) {
    emit(0x0F);
    emit(0x83);
    reference(label, 0);
  }

  /** Jumps if the last result was not zero. */
  public void jnz(Label label) {
    emit(0x0F);
    emit(0x85);
    reference(label, 0);
  }

  /** Jumps if the last result was zero. */
  public void jz(Label label) {
    emit(0x0F);
    emit(0x84);
    reference(label, 0);
  }

  public void jmp(Gpr target) {
    if (target.number > 7) {
      emit(0x41);
    }
    emit(0xFF);
    emit(0xE0 | low(target.number));
  }

  public void ret() {
    emit(0xC3);
  }

  public void prefetcht0(Address address) {
    prefix(0, address);
    emit(0x0F);
    emit(0x18);
    modRm(1, address, 1, 0);
  }

  public void vzeroupper() {
    emit(0xC5);
    emit(0xF8);
    emit(0x77);
  }

  /** The lower 16 bits of a general register become a mask. */
  public void kmovw(MaskRegister to, Gpr from) {
    if (from.number > 7) {
      emit(0xC4);
      emit(0xC0 | MAP_0F);
      emit(0x78);
    } else {
      emit(0xC5);
      emit(0xF8);
    }
    emit(0x92);
    emit(0xC0 | to.ordinal() << 3 | low(from.number));
  }

  // ---- moving vectors ----

  public void vmovdqa32(Zmm to, Zmm from) {
    evex(MAP_0F, PREFIX_66, 0x6F, to.number(), 0, from, VECTOR_BYTES, 0);
  }

  /** Lanes outside the mask stay as they are. */
  public void vmovaps(Zmm to, MaskRegister mask, Zmm from) {
    evexMasked(MAP_0F, NO_PREFIX, 0x28, to.number(), 0, from, VECTOR_BYTES, 0, mask, false);
  }

  /** Lanes outside the mask become zero. */
  public void vmovdqa32(Zmm to, MaskRegister mask, Zmm from) {
    evexMasked(MAP_0F, PREFIX_66, 0x6F, to.number(), 0, from, VECTOR_BYTES, 0, mask, true);
  }

  public void vmovdqu32(Zmm to, Address from) {
    evex(MAP_0F, PREFIX_F3, 0x6F, to.number(), 0, from, VECTOR_BYTES, 0);
  }

  public void vmovdqu32(Address to, Zmm from) {
    evex(MAP_0F, PREFIX_F3, 0x7F, from.number(), 0, to, VECTOR_BYTES, 0);
  }

  public void vmovups(Zmm to, Address from) {
    evex(MAP_0F, NO_PREFIX, 0x10, to.number(), 0, from, VECTOR_BYTES, 0);
  }

  /** Lanes outside the mask become zero and are not read. */
  public void vmovups(Zmm to, MaskRegister mask, Address from) {
    evexMasked(MAP_0F, NO_PREFIX, 0x10, to.number(), 0, from, VECTOR_BYTES, 0, mask, true);
  }

  public void vmovups(Address to, Zmm from) {
    evex(MAP_0F, NO_PREFIX, 0x11, from.number(), 0, to, VECTOR_BYTES, 0);
  }

  /** Lanes outside the mask are not written. */
  public void vmovups(Address to, MaskRegister mask, Zmm from) {
    evexMasked(MAP_0F, NO_PREFIX, 0x11, from.number(), 0, to, VECTOR_BYTES, 0, mask, false);
  }

  public void vpbroadcastd(Zmm to, Address from) {
    evex(MAP_0F38, PREFIX_66, 0x58, to.number(), 0, from, LANE_BYTES, 0);
  }

  /** The lowest lane, in every lane. */
  public void vpbroadcastd(Zmm to, Zmm from) {
    evex(MAP_0F38, PREFIX_66, 0x58, to.number(), 0, from, LANE_BYTES, 0);
  }

  /** A word of 64 bits, eight times. */
  public void vbroadcastsd(Zmm to, Address from) {
    evexWide(MAP_0F38, PREFIX_66, 0x19, to.number(), 0, from, WIDE_LANE_BYTES);
  }

  /** Lanes outside the mask stay as they are. */
  public void vpbroadcastd(Zmm to, MaskRegister mask, Address from) {
    evexMasked(MAP_0F38, PREFIX_66, 0x58, to.number(), 0, from, LANE_BYTES, 0, mask, false);
  }

  public void vpmovzxwd(Zmm to, Address from) {
    evex(MAP_0F38, PREFIX_66, 0x33, to.number(), 0, from, HALF_BYTES, 0);
  }

  /** Lanes outside the mask become zero and are not read. */
  public void vpmovzxwd(Zmm to, MaskRegister mask, Address from) {
    evexMasked(MAP_0F38, PREFIX_66, 0x33, to.number(), 0, from, HALF_BYTES, 0, mask, true);
  }

  // ---- integers ----

  /** Adds to each lane the sum of four products of an unsigned and a signed byte. */
  public void vpdpbusd(Zmm sum, Zmm unsignedBytes, VectorOperand signedBytes) {
    lanes(MAP_0F38, PREFIX_66, 0x50, sum, unsignedBytes, signedBytes);
  }

  public void vpaddd(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, PREFIX_66, 0xFE, to, a, b);
  }

  public void vpsubd(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, PREFIX_66, 0xFA, to, a, b);
  }

  public void vpmulld(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F38, PREFIX_66, 0x40, to, a, b);
  }

  public void vpmaxud(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F38, PREFIX_66, 0x3F, to, a, b);
  }

  public void vpandd(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, PREFIX_66, 0xDB, to, a, b);
  }

  public void vpxord(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, PREFIX_66, 0xEF, to, a, b);
  }

  public void vpord(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, PREFIX_66, 0xEB, to, a, b);
  }

  /** Where the mask's bits are set, {@code to = to | from}. */
  public void orMasked(Zmm to, Zmm from, VectorOperand mask) {
    vpternlogd(to, from, mask, 0b1111_1000);
  }

  /** Where the mask's bits are set, {@code to = from}. */
  public void copyMasked(Zmm to, Zmm from, VectorOperand mask) {
    vpternlogd(to, from, mask, 0b1101_1000);
  }

  /** Bit by bit, the bit of a table of eight at {@code 4 to + 2 a + b}. */
  private void vpternlogd(Zmm to, Zmm a, VectorOperand b, int table) {
    evex(MAP_0F3A, PREFIX_66, 0x25, to.number(), a.number(), b, VECTOR_BYTES, 1);
    emit(table);
  }

  public void vpslld(Zmm to, Zmm from, int bits) {
    shift(6, to, from, bits);
  }

  public void vpsrld(Zmm to, Zmm from, int bits) {
    shift(2, to, from, bits);
  }

  /** Each lane by a number of bits of its own. */
  public void vpsrlvd(Zmm to, Zmm from, VectorOperand bits) {
    lanes(MAP_0F38, PREFIX_66, 0x45, to, from, bits);
  }

  /** Each byte becomes the eight bits that start at a given bit of its word of 64 bits. */
  public void vpmultishiftqb(Zmm to, Zmm starts, VectorOperand from) {
    evexWide(MAP_0F38, PREFIX_66, 0x83, to.number(), starts.number(), from, VECTOR_BYTES);
  }

  /** Where lanes of {@code a} and {@code b} compare so, unsigned, bits of the mask are set. */
  public void vpcmpud(MaskRegister to, Zmm a, Zmm b, Comparison comparison) {
    evex(MAP_0F3A, PREFIX_66, 0x1E, to.ordinal(), a.number(), b, VECTOR_BYTES, 1);
    emit(comparison.ordinal());
  }

  /** In the order of the instruction's immediate. */
  public enum Comparison {
    EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NEVER,
    NOT_EQUAL,
    GREATER_OR_EQUAL,
    GREATER
  }

  // ---- order of lanes ----

  /** {@code to[i] = table[index[i]]}, of which the lowest four bits count. */
  public void vpermps(Zmm to, Zmm index, VectorOperand table) {
    lanes(MAP_0F38, PREFIX_66, 0x16, to, index, table);
  }

  /** {@code to[i] = table[index[i]]} for bytes. */
  public void vpermb(Zmm to, Zmm index, Zmm table) {
    bytes(MAP_0F38, 0x8D, to, index, table);
  }

  /**
   * {@code toAndIndex[i] = table[toAndIndex[i]]} for bytes of a table of 128, of whose index the
   * lowest seven bits count.
   */
  public void vpermi2b(Zmm toAndIndex, Zmm lowTable, Zmm highTable) {
    bytes(MAP_0F38, 0x75, toAndIndex, lowTable, highTable);
  }

  /** {@code to[i] = table[index[i]]} for the bytes of each 128 bits. */
  public void vpshufb(Zmm to, Zmm table, Zmm index) {
    bytes(MAP_0F38, 0x00, to, table, index);
  }

  /** The lower eight bytes of each 128 bits, those of {@code a} and {@code b} in turn. */
  public void vpunpcklbw(Zmm to, Zmm a, Zmm b) {
    bytes(MAP_0F, 0x60, to, a, b);
  }

  /** The upper eight bytes of each 128 bits, in turn. */
  public void vpunpckhbw(Zmm to, Zmm a, Zmm b) {
    bytes(MAP_0F, 0x68, to, a, b);
  }

  /** The lower four words of 16 bits of each 128 bits, in turn. */
  public void vpunpcklwd(Zmm to, Zmm a, Zmm b) {
    bytes(MAP_0F, 0x61, to, a, b);
  }

  /** The upper four words of 16 bits of each 128 bits, in turn. */
  public void vpunpckhwd(Zmm to, Zmm a, Zmm b) {
    bytes(MAP_0F, 0x69, to, a, b);
  }

  /** The lower two lanes of each 128 bits, in turn. */
  public void vpunpckldq(Zmm to, Zmm a, Zmm b) {
    lanes(MAP_0F, PREFIX_66, 0x62, to, a, b);
  }

  /** The upper two lanes of each 128 bits, in turn. */
  public void vpunpckhdq(Zmm to, Zmm a, Zmm b) {
    lanes(MAP_0F, PREFIX_66, 0x6A, to, a, b);
  }

  /** Of each 128 bits the lower half of {@code a} and then that of {@code b}. */
  public void vpunpcklqdq(Zmm to, Zmm a, Zmm b) {
    evexWide(MAP_0F, PREFIX_66, 0x6C, to.number(), a.number(), b, VECTOR_BYTES);
  }

  /** Of each 128 bits the upper half of {@code a} and then that of {@code b}. */
  public void vpunpckhqdq(Zmm to, Zmm a, Zmm b) {
    evexWide(MAP_0F, PREFIX_66, 0x6D, to.number(), a.number(), b, VECTOR_BYTES);
  }

  /** {@code to[i] = (high:low)[i + lanes]}. */
  public void valignd(Zmm to, Zmm high, Zmm low, int lanes) {
    evex(MAP_0F3A, PREFIX_66, 0x03, to.number(), high.number(), low, VECTOR_BYTES, 1);
    emit(lanes);
  }

  // ---- floats ----

  public void vcvtdq2ps(Zmm to, Zmm from) {
    evex(MAP_0F, NO_PREFIX, 0x5B, to.number(), 0, from, VECTOR_BYTES, 0);
  }

  /** To the nearest integer, ties to even. */
  public void vcvtps2dq(Zmm to, Zmm from) {
    evex(MAP_0F, PREFIX_66, 0x5B, to.number(), 0, from, VECTOR_BYTES, 0);
  }

  public void vaddps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x58, to, a, b);
  }

  public void vmulps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x59, to, a, b);
  }

  public void vmaxps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x5F, to, a, b);
  }

  /** Where one is NaN, or both are zero: {@code b}; so does {@link #vmaxps}. */
  public void vminps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x5D, to, a, b);
  }

  public void vsubps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x5C, to, a, b);
  }

  /** Sets bits of the mask where {@code a} is NaN. */
  public void vcmpunordps(MaskRegister to, Zmm a) {
    evex(MAP_0F, NO_PREFIX, 0xC2, to.ordinal(), a.number(), a, VECTOR_BYTES, 1);
    emit(UNORDERED);
  }

  public void vdivps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F, NO_PREFIX, 0x5E, to, a, b);
  }

  /** {@code to = to * a + b}. */
  public void vfmadd213ps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F38, PREFIX_66, 0xA8, to, a, b);
  }

  /** {@code to = a * b + to}. */
  public void vfmadd231ps(Zmm to, Zmm a, VectorOperand b) {
    lanes(MAP_0F38, PREFIX_66, 0xB8, to, a, b);
  }

  // ---- doubles ----

  /** The lower eight lanes become doubles. */
  public void vcvtps2pd(Zmm to, Zmm from) {
    evex(MAP_0F, NO_PREFIX, 0x5A, to.number(), 0, from, HALF_BYTES, 0);
  }

  /** Sixteen of half precision; lanes outside the mask become zero and are not read. */
  public void vcvtph2ps(Zmm to, MaskRegister mask, Address from) {
    evexMasked(MAP_0F38, PREFIX_66, 0x13, to.number(), 0, from, HALF_BYTES, 0, mask, true);
  }

  /** To sixteen of half precision, ties to even. */
  public void vcvtps2ph(Address to, Zmm from) {
    evex(MAP_0F3A, PREFIX_66, 0x1D, from.number(), 0, to, HALF_BYTES, 1);
    emit(0);
  }

  /** The lower 16 bits of each lane. */
  public void vpmovdw(Address to, Zmm from) {
    evex(MAP_0F38, PREFIX_F3, 0x33, from.number(), 0, to, HALF_BYTES, 0);
  }

  /** Doubles become floats in the lower eight lanes, and the upper zero. */
  public void vcvtpd2ps(Zmm to, Zmm from) {
    evexWide(MAP_0F, PREFIX_66, 0x5A, to.number(), 0, from, VECTOR_BYTES);
  }

  public void vaddpd(Zmm to, Zmm a, Zmm b) {
    evexWide(MAP_0F, PREFIX_66, 0x58, to.number(), a.number(), b, VECTOR_BYTES);
  }

  public void vdivpd(Zmm to, Zmm a, Zmm b) {
    evexWide(MAP_0F, PREFIX_66, 0x5E, to.number(), a.number(), b, VECTOR_BYTES);
  }

  public void vsqrtpd(Zmm to, Zmm from) {
    evexWide(MAP_0F, PREFIX_66, 0x51, to.number(), 0, from, VECTOR_BYTES);
  }

  // ---- encoding ----

  /** An instruction on lanes of 32 bits, whose last source may be one word for every lane. */
  private void lanes(int map, int prefix, int opcode, Zmm to, Zmm a, VectorOperand b) {
    evex(map, prefix, opcode, to.number(), a.number(), b, VECTOR_BYTES, 0);
  }

  /** An instruction on lanes of less than 32 bits, which know no word for every lane. */
  private void bytes(int map, int opcode, Zmm to, Zmm a, Zmm b) {
    evex(map, PREFIX_66, opcode, to.number(), a.number(), b, VECTOR_BYTES, 0);
  }

  private void shift(int digit, Zmm to, Zmm from, int bits) {
    evex(MAP_0F, PREFIX_66, 0x72, digit, to.number(), from, VECTOR_BYTES, 1);
    emit(bits);
  }

  private void evex(
      int map,
      int prefix,
      int opcode,
      int reg,
      int second,
      VectorOperand last,
      int memoryBytes,
      int immediateBytes) {
    evexMasked(
        map,
        prefix,
        opcode,
        reg,
        second,
        last,
        memoryBytes,
        immediateBytes,
        MaskRegister.ALL,
        false);
  }

  /** An instruction on lanes of 64 bits. */
  private void evexWide(
      int map, int prefix, int opcode, int reg, int second, VectorOperand last, int memoryBytes) {
    evexPrefix(map, prefix, true, reg, second, last, MaskRegister.ALL, false);
    emit(opcode);
    modRm(reg, last, memoryBytes, 0);
  }

  /**
   * @param reg what the field reg of the byte ModRM names: mostly the destination
   * @param second the register in the prefix, 0 where there is none
   * @param memoryBytes what an operand in memory has: its offset is encoded in multiples of it
   * @param immediateBytes that the caller will emit behind
   */
  private void evexMasked(
      int map,
      int prefix,
      int opcode,
      int reg,
      int second,
      VectorOperand last,
      int memoryBytes,
      int immediateBytes,
      MaskRegister mask,
      boolean zeroing) {
    // Nothing is outside of all lanes, and the processor refuses to make that zero.
    boolean zeroes = zeroing && mask != MaskRegister.ALL;
    evexPrefix(map, prefix, false, reg, second, last, mask, zeroes);
    emit(opcode);
    boolean word = last instanceof Address address && address.broadcast();
    modRm(reg, last, word ? LANE_BYTES : memoryBytes, immediateBytes);
  }

  /** The four bytes of EVEX; register numbers stand inverted in it. */
  private void evexPrefix(
      int map,
      int prefix,
      boolean wide,
      int reg,
      int second,
      VectorOperand last,
      MaskRegister mask,
      boolean zeroing) {
    int x;
    int b;
    boolean broadcast = false;
    switch (last) {
      case Zmm register -> {
        x = register.number() >> 4;
        b = register.number() >> 3 & 1;
      }
      case Address address -> {
        x = address.index() == null ? 0 : address.index().number >> 3;
        b = address.base() == null ? 0 : address.base().number >> 3;
        broadcast = address.broadcast();
      }
    }
    emit(0x62);
    emit((~reg >> 3 & 1) << 7 | (~x & 1) << 6 | (~b & 1) << 5 | (~reg >> 4 & 1) << 4 | map);
    emit((wide ? 0x80 : 0) | (~second & 15) << 3 | 4 | prefix);
    emit(
        (zeroing ? 0x80 : 0)
            | 0x40
            | (broadcast ? 0x10 : 0)
            | (~second >> 4 & 1) << 3
            | mask.ordinal());
  }

  private void scalar(int opcode, int reg, Address address) {
    rex(
        reg,
        address.index() == null ? 0 : address.index().number,
        address.base() == null ? 0 : address.base().number);
    emit(opcode);
    modRm(reg, address, 1, 0);
  }

  /** The prefix of operations on 64 bits. */
  private void rex(int reg, int index, int base) {
    emit(0x48 | reg >> 3 << 2 | index >> 3 << 1 | base >> 3);
  }

  /** The prefix of operations without a width, where registers above the eighth need one. */
  private void prefix(int reg, Address address) {
    int index = address.index() == null ? 0 : address.index().number;
    int base = address.base() == null ? 0 : address.base().number;
    int bits = reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
    if (bits != 0) {
      emit(0x40 | bits);
    }
  }

  private void modRm(int reg, VectorOperand last, int offsetUnit, int immediateBytes) {
    int field = low(reg) << 3;
    switch (last) {
      case Zmm register -> emit(0xC0 | field | low(register.number()));
      case Address address when address.label() != null -> {
        emit(field | 5);
        reference(address.label(), immediateBytes);
      }
      case Address address -> modRmOfMemory(field, address, offsetUnit);
    }
  }

  private void modRmOfMemory(int field, Address address, int offsetUnit) {
    int offset = address.offsetBytes();
    boolean isShort =
        offset % offsetUnit == 0 && (byte) (offset / offsetUnit) == offset / offsetUnit;
    int mode = offset == 0 ? 0 : isShort ? 0x40 : 0x80;
    int base = low(address.base().number);
    if (address.index() == null) {
      emit(mode | field | base);
    } else {
      emit(mode | field | 4);
      int scale = Integer.numberOfTrailingZeros(address.scale());
      emit(scale << 6 | low(address.index().number) << 3 | base);
    }
    if (mode == 0x40) {
      emit(offset / offsetUnit);
    } else if (mode == 0x80) {
      emit32(offset);
    }
  }

  /** Four bytes for the distance to a label, counted from the end of the instruction. */
  private void reference(Label label, int immediateBytes) {
    references.add(new Reference(size, size + 4 + immediateBytes, label));
    emit32(0);
  }

  /** The three bits of a register's number that ModRM and SIB hold; a prefix has the others. */
  private static int low(int number) {
    return number & 7;
  }

  private void emit32(int value) {
    for (int shift = 0; shift < 32; shift += 8) {
      emit(value >> shift);
    }
  }

  private void emit(int value) {
    if (size == code.length) {
      code = Arrays.copyOf(code, 2 * size);
    }
    code[size++] = (byte) value;
  }
}
