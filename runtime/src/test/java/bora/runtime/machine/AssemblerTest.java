package bora.runtime.machine;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;
import static bora.runtime.machine.MaskRegister.K1;
import static bora.runtime.machine.MaskRegister.K2;
import static bora.runtime.machine.MaskRegister.K3;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HexFormat;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Instructions beside what GNU as 2.40 makes of the same line, in Intel's syntax. */
class AssemblerTest {
  private static Arguments row(String line, String hex, Consumer<Assembler> instruction) {
    return Arguments.of(line, hex, instruction);
  }

  private static Zmm z(int number) {
    return new Zmm(number);
  }

  static Stream<Arguments> instructions() {
    return Stream.of(
        row("test r8, r8", "4d85c0", a -> a.test(R8, R8)),
        row("test rax, r10", "4c85d0", a -> a.test(RAX, R10)),
        row("vmovaps zmm9{k3}, zmm26", "62117c4b28ca", a -> a.vmovaps(z(9), K3, z(26))),
        row("vpbroadcastd zmm20, xmm11", "62c27d4858e3", a -> a.vpbroadcastd(z(20), z(11))),
        row(
            "vbroadcastsd zmm10, qword ptr [rdi+0x40]",
            "6272fd48195708",
            a -> a.vbroadcastsd(z(10), Address.of(RDI, 0x40))),
        row(
            "vbroadcastsd zmm10, qword ptr [r9+0x44]",
            "6252fd48199144000000",
            a -> a.vbroadcastsd(z(10), Address.of(R9, 0x44))),
        row("vminps zmm5, zmm18, zmm30", "62916c405dee", a -> a.vminps(z(5), z(18), z(30))),
        row("vsubps zmm2, zmm17, zmm20", "62b174405cd4", a -> a.vsubps(z(2), z(17), z(20))),
        row("vcmpunordps k3, zmm26, zmm26", "62912c40c2da03", a -> a.vcmpunordps(K3, z(26))),
        row("vcmpunordps k3, zmm10, zmm10", "62d12c48c2da03", a -> a.vcmpunordps(K3, z(10))),
        row("vcvtps2pd zmm11, ymm24", "62117c485ad8", a -> a.vcvtps2pd(z(11), z(24))),
        row("vcvtpd2ps ymm24, zmm11", "6241fd485ac3", a -> a.vcvtpd2ps(z(24), z(11))),
        row("vaddpd zmm11, zmm20, zmm10", "6251dd4058da", a -> a.vaddpd(z(11), z(20), z(10))),
        row("vdivpd zmm11, zmm10, zmm29", "6211ad485edd", a -> a.vdivpd(z(11), z(10), z(29))),
        row("vsqrtpd zmm11, zmm27", "6211fd4851db", a -> a.vsqrtpd(z(11), z(27))),
        row("vmaxps zmm9, zmm30, zmm11", "62510c405fcb", a -> a.vmaxps(z(9), z(30), z(11))),
        row("vmovdqa32 zmm3{k2}{z}, zmm28", "62917dca6fdc", a -> a.vmovdqa32(z(3), K2, z(28))),
        row(
            "vpmultishiftqb zmm21, zmm3, [rax+rcx+0x40]",
            "62e2e548836c0801",
            a -> a.vpmultishiftqb(z(21), z(3), Address.of(RAX, RCX, 1, 0x40))),
        row("mov rax, rcx", "4889c8", a -> a.mov(RAX, RCX)),
        row("mov r8, rdi", "4989f8", a -> a.mov(R8, RDI)),
        row("mov rdx, r11", "4c89da", a -> a.mov(RDX, R11)),
        row("mov rax, [rdi]", "488b07", a -> a.mov(RAX, Address.of(RDI, 0))),
        row("mov r9, [rdi+0x48]", "4c8b4f48", a -> a.mov(R9, Address.of(RDI, 0x48))),
        row("mov r9, [r10+0x1234]", "4d8b8a34120000", a -> a.mov(R9, Address.of(R10, 0x1234))),
        row("mov [rdx+0xa8], rax", "488982a8000000", a -> a.mov(Address.of(RDX, 0xa8), RAX)),
        row("mov eax, dword ptr [r11]", "418b03", a -> a.movDword(RAX, Address.of(R11, 0))),
        row(
            "mov r9d, dword ptr [rdi+0x40]",
            "448b4f40",
            a -> a.movDword(R9, Address.of(RDI, 0x40))),
        row("mov dword ptr [rdx], eax", "8902", a -> a.movDword(Address.of(RDX, 0), RAX)),
        row(
            "mov dword ptr [rsi+r9*2+8], r10d",
            "4689544e08",
            a -> a.movDword(Address.of(RSI, R9, 2, 8), R10)),
        row("mov word ptr [rdx], ax", "668902", a -> a.movWord(Address.of(RDX, 0), RAX)),
        row(
            "mov word ptr [r8+rcx+0x20], r9w",
            "6645894c0820",
            a -> a.movWord(Address.of(R8, RCX, 1, 0x20), R9)),
        row(
            "vcvtps2ph [rdi+0x40], zmm17, 0",
            "62e37d481d4f0200",
            a -> a.vcvtps2ph(Address.of(RDI, 0x40), z(17))),
        row(
            "vpmovdw [rdi+0x40], zmm26",
            "62627e48335702",
            a -> a.vpmovdw(Address.of(RDI, 0x40), z(26))),
        row(
            "movabs r10, 0x123456789abcdef0",
            "49baf0debc9a78563412",
            a -> a.mov(R10, 0x123456789abcdef0L)),
        row("movabs rcx, -2", "48b9feffffffffffffff", a -> a.mov(RCX, -2L)),
        row(
            "lea r11, [r11+r9*2+0x40]",
            "4f8d5c4b40",
            a -> a.lea(R11, Address.of(R11, R9, 2, 0x40))),
        row("lea rax, [rcx+rcx*2]", "488d0449", a -> a.lea(RAX, Address.of(RCX, RCX, 2, 0))),
        row("add r8, rax", "4901c0", a -> a.add(R8, RAX)),
        row("add rax, [rdi+8]", "48034708", a -> a.add(RAX, Address.of(RDI, 8))),
        row("add r10, 0x1000", "4981c200100000", a -> a.add(R10, 0x1000)),
        row("add rcx, -128000", "4881c1000cfeff", a -> a.add(RCX, -128000)),
        row("sub rax, r9", "4c29c8", a -> a.sub(RAX, R9)),
        row("cmp rax, r8", "4c39c0", a -> a.cmp(RAX, R8)),
        row("cmp r8, [rdi+0x20]", "4c3b4720", a -> a.cmp(R8, Address.of(RDI, 0x20))),
        row("dec r10", "49ffca", a -> a.dec(R10)),
        row("dec rcx", "48ffc9", a -> a.dec(RCX)),
        row("jmp rax", "ffe0", a -> a.jmp(RAX)),
        row("jmp r11", "41ffe3", a -> a.jmp(R11)),
        row("ret", "c3", a -> a.ret()),
        row("vzeroupper", "c5f877", a -> a.vzeroupper()),
        row(
            "prefetcht0 [rax+rcx+0x400]",
            "0f188c0800040000",
            a -> a.prefetcht0(Address.of(RAX, RCX, 1, 0x400))),
        row(
            "prefetcht0 [r8+r9*2-64]",
            "430f184c48c0",
            a -> a.prefetcht0(Address.of(R8, R9, 2, -64))),
        row("kmovw k1, eax", "c5f892c8", a -> a.kmovw(K1, RAX)),
        row("kmovw k3, r9d", "c4c17892d9", a -> a.kmovw(K3, R9)),
        row("vmovdqa32 zmm3, zmm28", "62917d486fdc", a -> a.vmovdqa32(z(3), z(28))),
        row(
            "vmovdqu32 zmm17, [rax+r9+0x1c0]",
            "62a17e486f4c0807",
            a -> a.vmovdqu32(z(17), Address.of(RAX, R9, 1, 0x1c0))),
        row(
            "vmovdqu32 [r8+0x1fc0], zmm9",
            "62517e487f487f",
            a -> a.vmovdqu32(Address.of(R8, 0x1fc0), z(9))),
        row("vmovups zmm0, [rdi]", "62f17c481007", a -> a.vmovups(z(0), Address.of(RDI, 0))),
        row(
            "vmovups zmm30, [r11-0x2000]",
            "62417c48107380",
            a -> a.vmovups(z(30), Address.of(R11, -0x2000))),
        row(
            "vmovups zmm30, [r11+0x2000]",
            "62417c4810b300200000",
            a -> a.vmovups(z(30), Address.of(R11, 0x2000))),
        row(
            "vmovups zmm30, [r11+4]",
            "62417c4810b304000000",
            a -> a.vmovups(z(30), Address.of(R11, 4))),
        row(
            "vmovups zmm5{k1}{z}, [rsi+rcx]",
            "62f17cc9102c0e",
            a -> a.vmovups(z(5), K1, Address.of(RSI, RCX, 1, 0))),
        row(
            "vmovups [rsi+0x40]{k2}, zmm21",
            "62e17c4a116e01",
            a -> a.vmovups(Address.of(RSI, 0x40), K2, z(21))),
        row(
            "vmovups [rsi+rcx*2], zmm8",
            "62717c4811044e",
            a -> a.vmovups(Address.of(RSI, RCX, 2, 0), z(8))),
        row(
            "vpbroadcastd zmm12, dword ptr [r10+r9*2+0x3c]",
            "62127d4858644a0f",
            a -> a.vpbroadcastd(z(12), Address.of(R10, R9, 2, 0x3c))),
        row(
            "vpbroadcastd zmm12{k1}, dword ptr [r10+4]",
            "62527d49586201",
            a -> a.vpbroadcastd(z(12), K1, Address.of(R10, 4))),
        row(
            "vpmovzxwd zmm6, [rax+rcx]",
            "62f27d48333408",
            a -> a.vpmovzxwd(z(6), Address.of(RAX, RCX, 1, 0))),
        row("vpdpbusd zmm1, zmm2, zmm3", "62f26d4850cb", a -> a.vpdpbusd(z(1), z(2), z(3))),
        row("vpdpbusd zmm31, zmm17, zmm25", "6202754050f9", a -> a.vpdpbusd(z(31), z(17), z(25))),
        row(
            "vpdpbusd zmm11, zmm24, dword ptr [r10+r9+0x1fc]{1to16}",
            "62123d50505c0a7f",
            a -> a.vpdpbusd(z(11), z(24), Address.of(R10, R9, 1, 0x1fc).toEveryLane())),
        row(
            "vpdpbusd zmm11, zmm24, dword ptr [r10+0x200]{1to16}",
            "62523d50509a00020000",
            a -> a.vpdpbusd(z(11), z(24), Address.of(R10, 0x200).toEveryLane())),
        row(
            "vpdpbusd zmm11, zmm24, [rax+0x40]",
            "62723d40505801",
            a -> a.vpdpbusd(z(11), z(24), Address.of(RAX, 0x40))),
        row("vpaddd zmm7, zmm8, zmm25", "62913d48fef9", a -> a.vpaddd(z(7), z(8), z(25))),
        row("vpsubd zmm7, zmm18, zmm5", "62f16d40fafd", a -> a.vpsubd(z(7), z(18), z(5))),
        row("vpmulld zmm4, zmm4, zmm29", "62925d4840e5", a -> a.vpmulld(z(4), z(4), z(29))),
        row("vpmaxud zmm4, zmm14, zmm9", "62d20d483fe1", a -> a.vpmaxud(z(4), z(14), z(9))),
        row("vpandd zmm20, zmm10, zmm31", "62812d48dbe7", a -> a.vpandd(z(20), z(10), z(31))),
        row(
            "vpandd zmm20, zmm10, dword ptr [rdi+8]{1to16}",
            "62e12d58db6702",
            a -> a.vpandd(z(20), z(10), Address.of(RDI, 8).toEveryLane())),
        row("vpxord zmm16, zmm16, zmm16", "62a17d40efc0", a -> a.vpxord(z(16), z(16), z(16))),
        row("vpslld zmm22, zmm3, 16", "62f14d4072f310", a -> a.vpslld(z(22), z(3), 16)),
        row("vpsrld zmm2, zmm29, 4", "62916d4872d504", a -> a.vpsrld(z(2), z(29), 4)),
        row("vpsrlvd zmm2, zmm3, zmm24", "6292654845d0", a -> a.vpsrlvd(z(2), z(3), z(24))),
        row("vpord zmm18, zmm9, zmm27", "62813548ebd3", a -> a.vpord(z(18), z(9), z(27))),
        row(
            "vpternlogd zmm22, zmm13, zmm24, 0xf8",
            "6283154825f0f8",
            a -> a.orMasked(z(22), z(13), z(24))),
        row(
            "vpternlogd zmm2, zmm29, dword ptr [rdi+8]{1to16}, 0xd8",
            "62f31550255702d8",
            a -> a.copyMasked(z(2), z(29), Address.of(RDI, 8).toEveryLane())),
        row(
            "vpmultishiftqb zmm1, zmm30, zmm7",
            "62f28d4083cf",
            a -> a.vpmultishiftqb(z(1), z(30), z(7))),
        row(
            "vpcmpud k1, zmm4, zmm20, 5",
            "62b35d481ecc05",
            a -> a.vpcmpud(K1, z(4), z(20), Assembler.Comparison.GREATER_OR_EQUAL)),
        row(
            "vpcmpud k2, zmm4, zmm20, 1",
            "62b35d481ed401",
            a -> a.vpcmpud(K2, z(4), z(20), Assembler.Comparison.LESS)),
        row(
            "vcvtph2ps zmm17, [rdx]",
            "62e27d48130a",
            a -> a.vcvtph2ps(z(17), MaskRegister.ALL, Address.of(RDX, 0))),
        row(
            "vcvtph2ps zmm3{k2}{z}, [rdx+64]",
            "62f27dca135a02",
            a -> a.vcvtph2ps(z(3), K2, Address.of(RDX, 64))),
        row(
            "vpmovzxwd zmm20{k4}{z}, [rdx+96]",
            "62e27dcc336203",
            a -> a.vpmovzxwd(z(20), MaskRegister.K4, Address.of(RDX, 96))),
        row("vpermps zmm5, zmm16, zmm27", "62927d4016eb", a -> a.vpermps(z(5), z(16), z(27))),
        row("vpermi2b zmm27, zmm3, zmm21", "6222654875dd", a -> a.vpermi2b(z(27), z(3), z(21))),
        row("vpermi2b zmm5, zmm30, zmm9", "62d20d4075e9", a -> a.vpermi2b(z(5), z(30), z(9))),
        row("vpunpcklbw zmm31, zmm27, zmm8", "6241254060f8", a -> a.vpunpcklbw(z(31), z(27), z(8))),
        row("vpshufb zmm1, zmm18, zmm11", "62d26d4000cb", a -> a.vpshufb(z(1), z(18), z(11))),
        row("vpunpckldq zmm20, zmm3, zmm30", "6281654862e6", a -> a.vpunpckldq(z(20), z(3), z(30))),
        row("vpunpckhdq zmm1, zmm17, zmm30", "629175406ace", a -> a.vpunpckhdq(z(1), z(17), z(30))),
        row(
            "vpunpcklqdq zmm29, zmm2, zmm27",
            "6201ed486ceb",
            a -> a.vpunpcklqdq(z(29), z(2), z(27))),
        row(
            "vpunpckhqdq zmm12, zmm31, zmm4",
            "627185406de4",
            a -> a.vpunpckhqdq(z(12), z(31), z(4))),
        row("vpunpckhbw zmm1, zmm17, zmm30", "6291754068ce", a -> a.vpunpckhbw(z(1), z(17), z(30))),
        row("vpunpcklwd zmm29, zmm2, zmm27", "62016d4861eb", a -> a.vpunpcklwd(z(29), z(2), z(27))),
        row("vpunpckhwd zmm12, zmm31, zmm4", "6271054069e4", a -> a.vpunpckhwd(z(12), z(31), z(4))),
        row("vpermb zmm5, zmm6, zmm27", "62924d488deb", a -> a.vpermb(z(5), z(6), z(27))),
        row(
            "valignd zmm9, zmm10, zmm11, 15",
            "62532d4803cb0f",
            a -> a.valignd(z(9), z(10), z(11), 15)),
        row("vcvtdq2ps zmm9, zmm30", "62117c485bce", a -> a.vcvtdq2ps(z(9), z(30))),
        row("vcvtps2dq zmm19, zmm3", "62e17d485bdb", a -> a.vcvtps2dq(z(19), z(3))),
        row("vaddps zmm1, zmm2, zmm23", "62b16c4858cf", a -> a.vaddps(z(1), z(2), z(23))),
        row(
            "vmulps zmm1, zmm22, [rdx+0x40]",
            "62f14c40594a01",
            a -> a.vmulps(z(1), z(22), Address.of(RDX, 0x40))),
        row("vdivps zmm1, zmm22, zmm3", "62f14c405ecb", a -> a.vdivps(z(1), z(22), z(3))),
        row(
            "vfmadd213ps zmm14, zmm15, zmm16",
            "62320548a8f0",
            a -> a.vfmadd213ps(z(14), z(15), z(16))),
        row(
            "vfmadd213ps zmm14, zmm15, dword ptr [r10+0x48]{1to16}",
            "62520558a87212",
            a -> a.vfmadd213ps(z(14), z(15), Address.of(R10, 0x48).toEveryLane())),
        row("vfmadd231ps zmm0, zmm31, zmm1", "62f20540b8c1", a -> a.vfmadd231ps(z(0), z(31), z(1))),
        row(
            "vfmadd231ps zmm0, zmm31, dword ptr [r8+r9*4]{1to16}",
            "62920550b80488",
            a -> a.vfmadd231ps(z(0), z(31), Address.of(R8, R9, 4, 0).toEveryLane())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("instructions")
  void encodesAsGnuAsDoes(String line, String hex, Consumer<Assembler> instruction) {
    Assembler assembler = new Assembler();
    instruction.accept(assembler);
    assertEquals(hex, HexFormat.of().formatHex(assembler.toBytes()), line);
  }

  @Test
  void labelsAreDistancesFromTheEndOfTheInstruction() {
    Assembler assembler = new Assembler();
    Label start = new Label();
    Label data = new Label();
    assembler.bind(start);
    assembler.vmovdqu32(z(1), Address.of(data));
    assembler.vpandd(z(1), z(1), Address.of(data).toEveryLane());
    assembler.jb(start);
    assembler.jae(data);
    assembler.jnz(start);
    assembler.jz(data);
    assembler.align(32);
    assembler.bind(data);
    assembler.words(0x04030201);
    assertEquals(
        "62f17e486f0d36000000"
            + "62f17558db0d2c000000"
            + "0f82e6ffffff"
            + "0f8320000000"
            + "0f85daffffff"
            + "0f8414000000"
            + "cc".repeat(20)
            + "01020304",
        HexFormat.of().formatHex(assembler.toBytes()));
  }

  @Test
  void refusesLabelsThatNameNoPlaceOrTwo() {
    Assembler assembler = new Assembler();
    Label label = new Label();
    assembler.jnz(label);
    assertThrows(IllegalStateException.class, assembler::toBytes);
    assembler.bind(label);
    assertThrows(IllegalStateException.class, () -> assembler.bind(label));
    assertThrows(IllegalArgumentException.class, () -> new Zmm(32));
  }
}
