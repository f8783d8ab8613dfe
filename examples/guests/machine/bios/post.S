/* SPDX-License-Identifier: MIT
 * Power-on self-test: vectors, interrupt controllers, timer, console, memory, disk; then the boot. */
#define CPUID_APIC      0x200
#define LAPIC           0xfee00000
#define LAPIC_SVR       0xf0
#define LAPIC_LINT0     0x350
#define SVR_ENABLE      0x1ff
#define LVT_EXTINT      0x700

power_on:
        cli
        cld
        POST    POST_RESET
        xor     %ax, %ax
        mov     %ax, %ss
        mov     $0x7000, %sp

        /* Every interrupt has a handler that does nothing; the hardware's also tells the controller. */
        POST    POST_VECTORS
        xor     %di, %di
        mov     %di, %es
        mov     $256, %cx
1:      mov     $ignore, %ax
        stosw
        mov     %cs, %ax
        stosw
        loop    1b
        mov     $vectors, %si
2:      cs lodsw
        cmp     $0xffff, %ax
        je      3f
        mov     %ax, %di
        shl     $2, %di
        cs lodsw
        stosw
        jmp     2b

        /* Data areas. */
3:      mov     $BDA, %ax
        mov     %ax, %es
        xor     %di, %di
        xor     %ax, %ax
        mov     $128, %cx
        rep stosw
        movw    $0x3f8, %es:BDA_COM1
        movw    $0x0200, %es:BDA_EQUIPMENT      /* one serial port */
        movw    $BASE_KIB, %es:BDA_BASE_KIB
        mov     $EBDA, %ax
        mov     %ax, %ds
        mov     %ax, %es
        xor     %di, %di
        xor     %ax, %ax
        mov     $512, %cx
        rep stosw

        /* Interrupt controllers at vectors 08h and 70h; only the timer may come in. */
        POST    POST_PIC
        mov     $0x11, %al
        out     %al, $0x20
        out     %al, $0xa0
        mov     $0x08, %al
        out     %al, $0x21
        mov     $0x70, %al
        out     %al, $0xa1
        mov     $0x04, %al
        out     %al, $0x21
        mov     $0x02, %al
        out     %al, $0xa1
        mov     $0x01, %al
        out     %al, $0x21
        out     %al, $0xa1
        mov     $0xfe, %al
        out     %al, $0x21
        mov     $0xff, %al
        out     %al, $0xa1

        /* A local APIC, where there is one, holds the controllers' line back until it is told to let it through. */
        call    flat_fs
        mov     $1, %eax
        cpuid
        test    $CPUID_APIC, %edx
        jz      4f
        mov     $LAPIC, %esi
        movl    $SVR_ENABLE, %fs:LAPIC_SVR(%esi)
        movl    $LVT_EXTINT, %fs:LAPIC_LINT0(%esi)
4:
        /* Channel 0 divides by 65536: 18.2 ticks a second. */
        POST    POST_TIMER
        mov     $0x36, %al
        out     %al, $0x43
        xor     %al, %al
        out     %al, $0x40
        out     %al, $0x40

        POST    POST_CONSOLE
        call    console_init
        mov     $greeting, %si
        call    print

        POST    POST_MEMORY
        call    memory_size
        mov     %ax, EBDA_HIGH_MIB
        inc     %ax
        call    print_number
        mov     $memory_text, %si
        call    print

        POST    POST_DISK
        call    disk_init
        sti
        int     $0x19

greeting:
        .asciz  "BIOS: "
memory_text:
        .asciz  " MiB of memory\r\n"

/* Pairs of vector and handler. */
vectors:
        .word   0x08, timer_interrupt
        .irp    vector, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f
        .word   \vector, ignore_irq
        .endr
        .word   0x10, int10
        .word   0x11, int11
        .word   0x12, int12
        .word   0x13, int13
        .word   0x15, int15
        .word   0x16, int16
        .word   0x18, int18
        .word   0x19, int19
        .word   0x1a, int1a
        .irp    vector, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77
        .word   \vector, ignore_irq_2
        .endr
        .word   0xffff

ignore_irq_2:
        push    %ax
        mov     $0x20, %al
        out     %al, $0xa0
        jmp     1f
ignore_irq:
        push    %ax
1:      mov     $0x20, %al
        out     %al, $0x20
        pop     %ax
ignore:
        iret
