package diskimg

import "encoding/binary"

// bootSector is the first sector of the disk: 16-bit code that a BIOS loads to 0x7c00 and
// jumps to, which sets COM1 to 115200 baud, writes the line and halts for good.
func bootSector(line string) []byte {
	code := []byte{
		0xfa,       // cli
		0xfc,       // cld
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0xbe, 0, 0, // mov si, text (below)
		0xba, 0xfb, 0x03, // mov dx, 0x3fb    line control
		0xb0, 0x80, // mov al, 0x80     divisor latch
		0xee,             // out dx, al
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xb0, 0x01, // mov al, 1        115200
		0xee,       // out dx, al
		0x42,       // inc dx
		0x30, 0xc0, // xor al, al
		0xee,             // out dx, al
		0xba, 0xfb, 0x03, // mov dx, 0x3fb
		0xb0, 0x03, // mov al, 3        8 bits, no parity
		0xee,       // out dx, al
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x12, // jz halt
		0x88, 0xc3, // mov bl, al
		0xba, 0xfd, 0x03, // mov dx, 0x3fd    line status
		0xec,       // wait: in al, dx
		0xa8, 0x20, // test al, 0x20    transmitter empty
		0x74, 0xfb, // jz wait
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0x88, 0xd8, // mov al, bl
		0xee,       // out dx, al
		0xeb, 0xe9, // jmp next
		0xfa,       // halt: cli
		0xf4,       // hlt
		0xeb, 0xfc, // jmp halt
	}
	binary.LittleEndian.PutUint16(code[7:], uint16(0x7c00+len(code)))
	first := make([]byte, sector)
	n := copy(first, code)
	copy(first[n:440], text(line))
	first[510], first[511] = 0x55, 0xaa
	return first
}

// text is the line as the code wants it: on a line of its own, ended by a zero.
func text(line string) []byte { return append([]byte("\r\n"+line+"\r\n"), 0) }

// efiProgram is a PE32+ image for UEFI on x86-64: 64-bit code that writes the line to COM1 and
// halts for good. With interrupts off the firmware's five-minute watchdog does not fire.
func efiProgram(line string) []byte {
	code := []byte{
		0x48, 0x8d, 0x35, 0, 0, 0, 0, // lea rsi, [rip + text] (below)
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x14, // jz halt
		0x88, 0xc4, // mov ah, al
		0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd    line status
		0xec,       // wait: in al, dx
		0xa8, 0x20, // test al, 0x20    transmitter empty
		0x74, 0xfb, // jz wait
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0x88, 0xe0, // mov al, ah
		0xee,       // out dx, al
		0xeb, 0xe7, // jmp next
		0xfa,       // halt: cli
		0xf4,       // hlt
		0xeb, 0xfc, // jmp halt
	}
	binary.LittleEndian.PutUint32(code[3:], uint32(len(code)-7))
	return peImage(machineX64, append(code, text(line)...))
}

// efiProgramARM64 is the same for arm64, whose machines agree on no serial port: the firmware writes the line
// to its console. The entry point gets the system table in x1 (UEFI 2.10 section 2.3.6.2).
func efiProgramARM64(line string) []byte {
	var program []byte
	for _, instruction := range []uint32{
		0xa9bf7bfd, // stp x29, x30, [sp, #-16]!
		0xf9402020, // ldr x0, [x1, #64]    the console's output
		0xf9400402, // ldr x2, [x0, #8]     its OutputString
		0x100000a1, // adr x1, text         behind the code
		0xd63f0040, // blr x2
		0xd5034fdf, // msr daifset, #15     no interrupts: the watchdog does not fire
		0xd503207f, // halt: wfi
		0x17ffffff, // b halt
	} {
		program = binary.LittleEndian.AppendUint32(program, instruction)
	}
	for _, c := range text(line) {
		program = append(program, c, 0) // UCS-2
	}
	return peImage(machineARM64, program)
}

// Machine types of PE/COFF.
const (
	machineX64   = 0x8664
	machineARM64 = 0xaa64
)

// peImage wraps code in the headers of the PE/COFF specification that EDK2 reads: one section,
// no relocations, because the code does not care where it is.
func peImage(machine uint16, code []byte) []byte {
	const (
		peHeader  = 0x40
		headers   = 0x200
		codeStart = 0x1000
	)
	image := make([]byte, headers+(len(code)+sector-1)/sector*sector)
	le := binary.LittleEndian
	copy(image, "MZ")
	le.PutUint32(image[0x3c:], peHeader)
	copy(image[peHeader:], "PE\x00\x00")

	coff := image[peHeader+4:]
	le.PutUint16(coff[0:], machine)
	le.PutUint16(coff[2:], 1)       // sections
	le.PutUint16(coff[16:], 0xf0)   // size of the optional header
	le.PutUint16(coff[18:], 0x0022) // executable, large addresses

	optional := coff[20:]
	le.PutUint16(optional[0:], 0x20b) // PE32+
	le.PutUint32(optional[4:], uint32(len(image)-headers))
	le.PutUint32(optional[16:], codeStart) // entry point
	le.PutUint32(optional[20:], codeStart) // base of code
	le.PutUint32(optional[32:], 0x1000)    // section alignment
	le.PutUint32(optional[36:], sector)    // file alignment
	le.PutUint32(optional[56:], 2*codeStart)
	le.PutUint32(optional[60:], headers)
	le.PutUint16(optional[68:], 10)  // subsystem: EFI application
	le.PutUint32(optional[108:], 16) // data directories, all empty

	section := optional[0xf0:]
	copy(section, ".text")
	le.PutUint32(section[8:], uint32(len(code)))
	le.PutUint32(section[12:], codeStart)
	le.PutUint32(section[16:], uint32(len(image)-headers))
	le.PutUint32(section[20:], headers)
	le.PutUint32(section[36:], 0x60000020) // code, executable, readable
	copy(image[headers:], code)
	return image
}
